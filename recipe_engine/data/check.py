"""Reading datasets without torch: columns, formats and rows, each problem with its dataset, row and column."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import chain, islice
from pathlib import Path

from recipe_engine.data import builtin
from recipe_engine.data.cells import RepeatedRow, Row
from recipe_engine.data.errors import DataError, RowError
from recipe_engine.data.files import read_rows
from recipe_engine.data.location import locate
from recipe_engine.data.rows import Converter, converter_for
from recipe_engine.data.steps import StepTokens
from recipe_engine.data.thoughts import holds_thoughts
from recipe_engine.recipe.data import DataBlock, DatasetEntry, RowShape
from recipe_engine.recipe.thinking import ThinkingBlock

SHOWN_ERRORS = 5
WITH_IDS = frozenset({"thought_response"})
"""Formats in which two rows with one ``id`` are the same row twice."""


@dataclass(slots=True)
class DatasetReport:
    """What reading a dataset showed. ``rows`` counts all rows; ``used`` those left by max_samples and invalid ones."""

    rows: int = 0
    used: int = 0
    converter: Converter | None = None
    invalid: list[RowError] = field(default_factory=list)
    invalid_count: int = 0
    bad_answers: int = 0
    """Rows whose column ``label`` is false, where the algorithm does not read it."""
    labels: Counter[bool] = field(default_factory=Counter)
    """How many answers are labelled good (true) and bad (false), where they are labelled."""


def local_rows(entry: DatasetEntry) -> Iterator[Row] | None:
    """The raw rows of an embedded or local dataset; none for what is elsewhere.

    Raises:
        DataError: it cannot be read, or the entry says what only a dataset on the Hub has.
    """
    location = locate(entry.name)
    if location.kind != "hub":
        for setting in ("subset", "revision"):
            if getattr(entry, setting) is not None:
                message = f"only datasets on the Hub have a {setting}"
                raise DataError("D404", message, setting=setting, hint="remove it")
    if location.kind == "builtin":
        try:
            return iter(builtin.rows(entry.name, entry.split))
        except KeyError as error:
            setting = "name" if entry.name not in builtin.names() else "split"
            raise DataError("D401", str(error.args[0]), setting=setting) from error
    if location.kind == "local":
        return read_rows(Path(location.value), entry.split)
    return None


def open_rows(
    rows: Iterator[Row],
    entry: DatasetEntry,
    data: DataBlock,
    shapes: Collection[RowShape],
    thinking: ThinkingBlock | None = None,
    steps: StepTokens | None = None,
) -> tuple[Converter, Iterator[Row]]:
    """Look at the first row to find the converter; give it back together with all rows.

    Rows whose format gives them an id are marked where it is an earlier one's: conversion may be shared by processes.

    Raises:
        DataError: there is no row, or no format fits.
    """
    first = next(rows, None)
    if first is None:
        raise DataError("D406", "it holds no rows")
    converter = converter_for(entry, data, shapes, list(first), thinking, steps)
    if thinking is None and converter.shape != "prompt":
        converter = replace(converter, unread_thoughts=holds_thoughts(entry, first))
    rows = chain([first], rows)
    return converter, _marked(rows) if converter.format in WITH_IDS else rows


def _marked(rows: Iterable[Row]) -> Iterator[Row]:
    """The rows, those with the id of an earlier one as ``RepeatedRow``."""
    seen: set[str] = set()
    for row in rows:
        known = row.get("id") is not None and repr(row["id"])
        yield RepeatedRow(row) if known in seen else row
        if known:
            seen.add(known)


def check_dataset(
    entry: DatasetEntry,
    data: DataBlock,
    shapes: Collection[RowShape],
    limit: int | None = None,
    thinking: ThinkingBlock | None = None,
    steps: StepTokens | None = None,
) -> DatasetReport | None:
    """Read and convert the rows of a local dataset (at most ``limit``); none where it is not local.

    Raises:
        DataError: it cannot be read, holds no rows, or its columns do not fit.
    """
    raw = local_rows(entry)
    if raw is None:
        return None
    report = DatasetReport()
    report.converter, rows = open_rows(raw, entry, data, shapes, thinking, steps)
    for number, row in enumerate(islice(rows, limit), start=1):
        report.rows = number
        if entry.max_samples is not None and number > entry.max_samples and not data.shuffle:
            continue
        try:
            converted = report.converter.convert(row)
        except RowError as error:
            report.invalid_count += 1
            error.row = number
            if len(report.invalid) < SHOWN_ERRORS:
                report.invalid.append(error)
        else:
            report.used += 1
            report.bad_answers += is_bad_answer(row, report.converter)
            if "label" in converted:
                report.labels[converted["label"]] += 1
    if entry.max_samples is not None:
        report.used = min(report.used, entry.max_samples)
    return report


def demand_few_invalid(invalid: int, rows: int, data: DataBlock) -> None:
    """Check that no more rows are left out as invalid than the recipe allows.

    Raises:
        DataError: there are (D419).
    """
    if data.invalid_rows == "drop" and invalid > data.max_invalid_share * rows:
        raise DataError(
            "D419",
            f"{invalid} of {rows} rows are invalid, and data.max_invalid_share is {data.max_invalid_share:g}",
            setting="max_invalid_share",
            hint="`recipe inspect` shows them: look at the format and the columns; or raise data.max_invalid_share",
        )


def is_bad_answer(row: Row, converter: Converter) -> bool:
    """Whether a row that is trained on as a demonstration is labelled as a bad one."""
    return converter.shape in {"messages", "prompt_completion"} and row.get("label") is False
