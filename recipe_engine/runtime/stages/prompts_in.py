"""The rows that a stage reads: of datasets, as prompts or as they are, each with its id."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator
from itertools import chain, islice
from pathlib import Path
from typing import Any

from recipe_engine.data.check import open_rows
from recipe_engine.data.errors import DataError, RowError
from recipe_engine.data.rows import TAKEN_BY_REWARDS
from recipe_engine.data.slices import sliced
from recipe_engine.data.sources import raw_rows
from recipe_engine.recipe.data import DataBlock, DatasetEntry, RowShape
from recipe_engine.recipe.thinking import ThinkingBlock
from recipe_engine.runtime.generation.requests import Say
from recipe_engine.runtime.stages.work import Counts

Row = dict[str, Any]
PROMPTS: tuple[RowShape, ...] = ("prompt",)


def data_of(rows: str | None, data: DataBlock | None) -> DataBlock:
    """The data block that ``rows`` is short for."""
    return data if data is not None else DataBlock(datasets=[DatasetEntry(name=str(rows))])


def prompt_rows(
    data: DataBlock,
    thinking: ThinkingBlock | None,
    part: tuple[int, int] | None,
    cache: Path,
    counts: Counts,
    say: Say,
) -> Iterator[Row]:
    """The rows of all datasets, one after the other, each with its ``prompt`` and a ``prompt_id`` that no other has.

    Args:
        part: the first row, and the row after the last, of those that are taken. They count on around the end.

    Raises:
        DataError: a dataset cannot be read, or a row cannot be used and may not be left out.
    """
    ids = Ids()
    for row in sliced(lambda: _converted(data, thinking, cache, counts, say), part):
        yield {**row, "prompt_id": ids.of(row)}


def raw_part(name: str, part: tuple[int, int] | None, cache: Path) -> Iterator[Row]:
    """The rows of a dataset as they are."""
    return sliced(lambda: raw_rows(DatasetEntry(name=name), cache), part)


class Ids:
    """Gives each row an id: its own, else one of its prompt's content. Repeats are numbered, and so stay apart."""

    def __init__(self) -> None:
        self._seen: Counter[str] = Counter()

    def of(self, row: Row) -> str:
        """The id of the next row."""
        given = row.get("prompt_id")
        base = str(given) if given is not None else content_id(row["prompt"])
        self._seen[base] += 1
        count = self._seen[base]
        return base if count == 1 else f"{base}-{count}"


def content_id(prompt: Any) -> str:
    """An id of a prompt's content."""
    text = prompt if isinstance(prompt, str) else json.dumps(prompt, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "backslashreplace")).hexdigest()[:16]


def _converted(data: DataBlock, thinking: ThinkingBlock | None, cache: Path, counts: Counts, say: Say) -> Iterator[Row]:
    counts.rows_in = 0
    counts.dropped["invalid"] = 0
    for entry in data.datasets:
        try:
            yield from _rows_of(entry, data, thinking, cache, counts, say)
        except RowError as error:
            raise DataError(error.code, f"{entry.name}, row {error.row}: {error.message}", hint=_HINT) from error
        except DataError as error:
            raise DataError(
                error.code, f"{entry.name}: {error.message}", setting=error.setting, hint=error.hint
            ) from error


_HINT = "mend the row, or write data.invalid_rows: drop to leave such rows out and count them"


def _rows_of(
    entry: DatasetEntry, data: DataBlock, thinking: ThinkingBlock | None, cache: Path, counts: Counts, say: Say
) -> Iterator[Row]:
    raw = raw_rows(entry, cache)
    first = next(raw, None)
    if first is None:
        raise DataError("D406", "it holds no rows")
    taken = [name for name in first if name in TAKEN_BY_REWARDS]
    if taken and entry.dataset_columns is None:
        kept = [name for name in first if name not in TAKEN_BY_REWARDS]
        entry = entry.model_copy(update={"dataset_columns": kept})
        say(f"{entry.name}: the columns {', '.join(taken)} are not carried along: what is generated has these names")
    converter, rows = open_rows(chain([first], raw), entry, data, PROMPTS, thinking)
    for number, row in enumerate(islice(rows, entry.max_samples), start=1):
        counts.rows_in += 1
        try:
            yield converter.convert(row)
        except RowError as error:
            if data.invalid_rows == "error":
                error.row = number
                raise
            counts.dropped["invalid"] += 1
