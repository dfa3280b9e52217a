"""Rows made from rows, shard by shard: what is whole is kept, and what made it is known.

A stage's process reads its inputs once and writes them in shards under ``work/``. Then one process, or one for each
GPU, takes shard after shard; each claims a shard by a lock on a file, so that none is made twice, and which process
makes a shard changes nothing. A shard of rows stands if its counts, written before it, name the same inputs and
settings, and it holds what they say that it holds.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

from recipe_engine.data.errors import DataError
from recipe_engine.data.shards import as_line, remove_unfinished, shard_path, whole_shards, write_shard, write_whole
from recipe_engine.runtime.generation.requests import Say

Row = dict[str, Any]


@dataclass(slots=True)
class Counts:
    """What became of rows."""

    rows_in: int = 0
    rows_out: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    """Rows left out, by the reason."""
    totals: dict[str, float] = field(default_factory=dict)
    """Further numbers, such as tokens and costs."""

    def add(self, other: Counts) -> None:
        """Add what became of other rows."""
        self.rows_in += other.rows_in
        self.rows_out += other.rows_out
        self.dropped.update(other.dropped)
        for name, number in other.totals.items():
            self.totals[name] = self.totals.get(name, 0) + number

    def as_data(self) -> dict[str, Any]:
        """The counts as plain data."""
        dropped = dict(+self.dropped)
        return {"rows_in": self.rows_in, "rows_out": self.rows_out, "dropped": dropped, "totals": self.totals}


class Maker:
    """What makes the rows of a shard. One is made in each process, with its models."""

    def rows(self, rows: list[Row], counts: Counts, kept: Path) -> Iterable[Row]:
        """The rows made of a shard's inputs. ``kept`` is a file for what must outlive this process."""
        raise NotImplementedError

    def finish(self, counts: Counts, kept: Path) -> None:
        """Add to the counts what is known once all rows are made."""

    def close(self) -> None:
        """Give back what it holds."""


@dataclass(frozen=True, slots=True)
class Work:
    """Some rows to make."""

    name: str
    folder: Path
    """Where ``work/`` is kept for it."""
    rows_folder: Path
    """Where its shards go."""
    settings: Mapping[str, Any]
    """All that its rows depend on, beside the inputs."""
    shard_rows: int
    inputs: Callable[[Counts], Iterator[Row]]
    """Its inputs; those that are left out are counted."""
    maker: Callable[[Say], Maker]

    @property
    def inputs_folder(self) -> Path:
        """The inputs, in shards."""
        return self.folder / "work" / "inputs"

    def counts_file(self, number: int) -> Path:
        """What became of the inputs of a shard, and which they were."""
        return self.folder / "work" / "counts" / f"part-{number:05d}.json"

    def kept_file(self, number: int, key: str) -> Path:
        """What a maker keeps of an unfinished shard. Inputs and settings are part of the name."""
        return self.folder / "work" / "kept" / f"part-{number:05d}-{key[:16]}.jsonl"


def take_in(work: Work, say: Say) -> Counts:
    """Write the inputs in shards, remove rows that are not of them, and count what was left out.

    A shard that is not as it was made, cut or replaced, is removed too, and said.
    """
    shutil.rmtree(work.inputs_folder, ignore_errors=True)
    counts = Counts()
    keys: list[str] = []
    settings = json.dumps(work.settings, sort_keys=True)
    rows = work.inputs(counts)
    while True:
        digest = hashlib.sha256(settings.encode())
        shard = _some(rows, work.shard_rows, digest)
        first = next(shard, None)
        if first is None:
            break
        work.inputs_folder.mkdir(parents=True, exist_ok=True)
        # Not brought to the disk: each start writes them anew.
        with shard_path(work.inputs_folder, len(keys)).open("w", encoding="utf-8") as stream:
            stream.writelines(chain([first], shard))
        keys.append(digest.hexdigest())
    write_whole(work.inputs_folder / "keys.json", json.dumps(keys), synced=False)
    remove_unfinished(work.rows_folder)
    for number, path in whole_shards(work.rows_folder).items():
        known = None if number >= len(keys) else _noted(work, number, keys[number])
        if known is None:
            path.unlink()
        elif known.get("rows_digest") != _digest(path):
            say(f"{work.name}: {path.name} is not as it was made: damaged, or replaced; it is made anew")
            path.unlink()
    return counts


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _some(rows: Iterator[Row], most: int, digest: Any) -> Iterator[str]:
    """The lines of the next rows."""
    for _ in range(most):
        row = next(rows, None)
        if row is None:
            return
        line = _line(row)
        digest.update(line.encode("utf-8", "backslashreplace"))
        yield line


def _line(row: Row) -> str:
    """A row as a line of JSON. What JSON has no form for, such as a date, becomes text.

    Raises:
        DataError: it holds a number that JSON has not.
    """
    try:
        try:
            return as_line(row)
        except TypeError:
            return as_line(json.loads(json.dumps(row, default=str)))
    except ValueError as error:
        names = ", ".join(name for name, value in row.items() if value != value) or "one of its columns"
        message = f"a row holds a number that is none (NaN or infinity) in {names}, which rows of stages cannot hold"
        raise DataError(
            "D405", message, hint="mend it, or leave the column out: data.datasets[0].dataset_columns"
        ) from error


def unfinished(work: Work) -> list[int]:
    """The numbers of shards that are not whole."""
    whole = whole_shards(work.rows_folder)
    return [number for number in range(len(_keys(work))) if number not in whole]


def make_rows(work: Work, say: Say) -> None:
    """Make every shard that is not whole and that no other process is making."""
    keys = _keys(work)
    maker: Maker | None = None
    try:
        for number in unfinished(work):
            with _claimed(work, number) as mine:
                if not mine or shard_path(work.rows_folder, number).exists():
                    continue
                maker = work.maker(say) if maker is None else maker
                _make_shard(work, maker, number, keys[number])
                say(f"{work.name}: shard {number + 1} of {len(keys)}")
    finally:
        if maker is not None:
            maker.close()


def _make_shard(work: Work, maker: Maker, number: int, key: str) -> None:
    with shard_path(work.inputs_folder, number).open("rb") as stream:
        rows = [json.loads(line) for line in stream]
    counts, kept = Counts(rows_in=len(rows)), work.kept_file(number, key)
    made = list(maker.rows(rows, counts, kept))
    maker.finish(counts, kept)
    counts.rows_out = len(made)
    digest = hashlib.sha256()
    for row in made:
        digest.update(as_line(row).encode())
    # The counts first: rows without them are made again. So they need not be on the disk before the rows are.
    noted = {"key": key, "rows_digest": digest.hexdigest(), **counts.as_data()}
    write_whole(work.counts_file(number), json.dumps(noted), synced=False)
    write_shard(work.rows_folder, number, made)
    kept.unlink(missing_ok=True)


def counted(work: Work) -> Counts:
    """What became of the rows of all whole shards."""
    counts = Counts()
    for number, key in enumerate(_keys(work)):
        one = _known(work, number, key)
        if one is not None:
            counts.add(one)
    return counts


def clear(work: Work) -> None:
    """Remove what is of no use once all shards are whole. The counts stay: by them the shards are known again."""
    for name in ("inputs", "kept", "claims", "fetched"):
        shutil.rmtree(work.folder / "work" / name, ignore_errors=True)


def _keys(work: Work) -> list[str]:
    keys: list[str] = json.loads((work.inputs_folder / "keys.json").read_text(encoding="ascii"))
    return keys


def _known(work: Work, number: int, key: str) -> Counts | None:
    """The counts of a shard, if they are of these inputs and settings."""
    found = _noted(work, number, key)
    if found is None:
        return None
    return Counts(found["rows_in"], found["rows_out"], Counter(found["dropped"]), found["totals"])


def _noted(work: Work, number: int, key: str) -> dict[str, Any] | None:
    """What was noted of a shard, if it is of these inputs and settings."""
    try:
        found: dict[str, Any] = json.loads(work.counts_file(number).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if found.get("key") == key else None


@contextmanager
def _claimed(work: Work, number: int) -> Iterator[bool]:
    """Whether a shard is this process's: no other may make it as long as this one lives or until it is made."""
    path = work.folder / "work" / "claims" / f"part-{number:05d}"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True
