"""Rows that a stage makes: JSON lines in shards, each of which stands only when it is whole."""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

Row = dict[str, Any]

# One for all: json.dumps with these settings would make one a row.
_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))
_NAME = re.compile(r"part-(\d{5,})\.jsonl")


def shard_path(folder: Path, number: int) -> Path:
    """Where shard ``number``, from 0 on, of a folder of rows stands."""
    return folder / f"part-{number:05d}.jsonl"


def whole_shards(folder: Path) -> dict[int, Path]:
    """The shards that are whole, by their numbers, in order."""
    found = {int(match[1]): path for path in folder.glob("part-*.jsonl") if (match := _NAME.fullmatch(path.name))}
    return dict(sorted(found.items()))


def write_shard(folder: Path, number: int, rows: Iterable[Row]) -> int:
    """Write a shard beside its place, bring it to the disk and rename it. Returns how many rows it has.

    The rows may be a generator: they are written as they come. An error of theirs leaves nothing behind.
    """
    folder.mkdir(parents=True, exist_ok=True)
    count = 0
    with tempfile.NamedTemporaryFile("w", dir=folder, prefix=".part-", delete=False, encoding="utf-8") as stream:
        try:
            for row in rows:
                stream.write(as_line(row))
                count += 1
            stream.flush()
            os.fsync(stream.fileno())
        except BaseException:
            os.unlink(stream.name)
            raise
    os.chmod(stream.name, 0o644)
    os.replace(stream.name, shard_path(folder, number))
    return count


def as_line(row: Row) -> str:
    """A row as a line of JSON.

    Raises:
        ValueError: it holds a number that JSON has not (NaN, infinity).
    """
    return _ENCODER.encode(row) + "\n"


def read_shards(folder: Path) -> Iterator[Row]:
    """The rows of all whole shards, in order."""
    for path in whole_shards(folder).values():
        with path.open("rb") as stream:
            yield from map(json.loads, stream)


def remove_unfinished(folder: Path) -> None:
    """Remove what a killed process left beside the shards."""
    for path in folder.glob(".part-*"):
        path.unlink(missing_ok=True)


def write_whole(path: Path, text: str, *, synced: bool = True) -> None:
    """Write a file beside its place, bring it to the disk and rename it: a reader sees the old text or the new one.

    One process at a time writes a file. What one that was killed left beside it is gone with the next writing. Without
    ``synced`` a machine that loses its power may lose the file, which must then be made again.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".new-{path.name}")
    try:
        with beside.open("w", encoding="utf-8") as stream:
            stream.write(text)
            if synced:
                stream.flush()
                os.fsync(stream.fileno())
        os.replace(beside, path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
