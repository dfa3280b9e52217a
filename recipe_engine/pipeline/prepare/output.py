"""What a prepare stage writes: its rows in splits, as shards of JSON lines or as parquet, shuffled where it says so."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from random import Random
from typing import IO, Any, Self

from recipe_engine.data.cells import Row
from recipe_engine.data.errors import DataError
from recipe_engine.data.shards import as_line, shard_path

SHARD_ROWS = 100_000
SCRATCH = ".scratch"
"""Folder, in the stage's folder, for what does not fit into memory. It is removed at the end."""
LAST = "train"
"""The split of what belongs to no other."""
_BUCKETS = 64
"""Files that rows are dealt out to before each is shuffled by itself: memory holds one of them at a time."""
_PARQUET_ROWS = 10_000


class Splits:
    """Writes rows into splits by the hash of what they belong to, so that what belongs together stays together."""

    def __init__(
        self,
        folder: Path,
        scratch: Path,
        shares: Mapping[str, float],
        seed: int,
        *,
        shuffle: bool = False,
        parquet: bool = False,
    ) -> None:
        self._shares = dict(sorted(shares.items()))
        self._writers = {
            name: _SplitWriter(
                folder / name, scratch, shuffle=Random(f"{seed}:{name}") if shuffle else None, parquet=parquet
            )
            for name in dict.fromkeys([*self._shares, LAST])
        }

    @property
    def rows(self) -> dict[str, int]:
        """Rows of each split."""
        return {name: writer.rows for name, writer in self._writers.items()}

    def write(self, row: Row, belongs_to: Callable[[], bytes]) -> None:
        """Add a row to the split that the hash which ``belongs_to`` gives falls into."""
        self._writers[self._split(belongs_to()) if self._shares else LAST].write(row)

    def _split(self, hashed: bytes) -> str:
        point = int.from_bytes(hashed[:8], "big") / 2**64
        for name, share in self._shares.items():
            if point < share:
                return name
            point -= share
        return LAST

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            for writer in self._writers.values():
                writer.close()


class _SplitWriter:
    """Writes the rows of one split. Nothing stands before ``close``, but for shards that are whole."""

    def __init__(self, folder: Path, scratch: Path, *, shuffle: Random | None, parquet: bool) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.rows = 0
        self._shards = _Parquet(folder) if parquet else _Shards(folder)
        self._deck = _Deck(scratch / folder.name, shuffle) if shuffle is not None else None

    def write(self, row: Row) -> None:
        """Add a row."""
        self.rows += 1
        line = as_line(row)
        if self._deck is None:
            self._shards.write(line)
        else:
            self._deck.deal(line)

    def close(self) -> None:
        """Write what is left, and let the last shard stand."""
        if self._deck is not None:
            for line in self._deck.drawn():
                self._shards.write(line)
        self._shards.close()


class _Deck:
    """Lines in random order, whatever their number: dealt out to files at random, each then shuffled by itself."""

    def __init__(self, folder: Path, random: Random) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._random = random
        self._files = [(folder / f"bucket-{number}").open("w+b") for number in range(_BUCKETS)]

    def deal(self, line: str) -> None:
        self._random.choice(self._files).write(line.encode())

    def drawn(self) -> Iterator[str]:
        for file in self._files:
            with file:
                file.seek(0)
                lines = file.readlines()
            self._random.shuffle(lines)
            yield from (line.decode() for line in lines)


class _Shards:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._number = 0
        self._rows = 0
        self._file: IO[str] | None = None

    def write(self, line: str) -> None:
        if self._file is None:
            self._file = _aside(self._folder)
        self._file.write(line)
        self._rows += 1
        if self._rows == SHARD_ROWS:
            self.close()

    def close(self) -> None:
        if self._file is None:
            return
        _put(self._file, shard_path(self._folder, self._number))
        self._file, self._rows = None, 0
        self._number += 1


class _Parquet(_Shards):
    """One parquet file. Its columns and types are those of the first rows."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._waiting: list[Row] = []
        self._writer: Any = None
        self._stack = ExitStack()

    def write(self, line: str) -> None:
        self._waiting.append(json.loads(line))
        if len(self._waiting) == _PARQUET_ROWS:
            self._flush()

    def _flush(self) -> None:
        try:
            import pyarrow
            from pyarrow import parquet
        except ImportError as error:
            hint = "install the package's `train` extra, or write output: jsonl"
            raise DataError("D408", "writing parquet needs pyarrow, which is not installed", hint=hint) from error
        try:
            schema = None if self._writer is None else self._writer.schema
            table = pyarrow.Table.from_pylist(self._waiting, schema=schema)
        except pyarrow.ArrowException as error:
            message = f"rows {self._rows + 1} to {self._rows + len(self._waiting)} do not fit into one table: {error}"
            raise DataError("D402", message, hint="write output: jsonl, or columns that have one type each") from error
        if schema is not None and (further := {name for row in self._waiting for name in row} - set(schema.names)):
            message = f"the column `{sorted(further)[0]}` is not in the first {_PARQUET_ROWS} rows"
            raise DataError("D402", message, hint="write output: jsonl, or leave the column out")
        if self._writer is None:
            self._file = _aside(self._folder)
            self._writer = self._stack.enter_context(parquet.ParquetWriter(self._file.name, table.schema))
        self._writer.write_table(table)
        self._rows += len(self._waiting)
        self._waiting = []

    def close(self) -> None:
        if self._waiting:
            self._flush()
        self._stack.close()
        if self._file is not None:
            _put(self._file, self._folder / "part-00000.parquet")


def _aside(folder: Path) -> IO[str]:
    return tempfile.NamedTemporaryFile("w", dir=folder, prefix=".part-", delete=False, encoding="utf-8")


def _put(file: IO[str], place: Path) -> None:
    with file:
        file.flush()
        os.fsync(file.fileno())
    os.chmod(file.name, 0o644)
    os.replace(file.name, place)
