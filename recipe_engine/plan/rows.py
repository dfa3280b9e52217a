"""How many rows a run will train on, from the datasets that can be read here."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from recipe_engine.data.check import DatasetReport, check_dataset
from recipe_engine.recipe.data import DataBlock, DatasetEntry, RowShape


@dataclass(frozen=True, slots=True)
class RowCount:
    """Rows of one dataset. ``report`` is none for a dataset that is not on this machine."""

    entry: DatasetEntry
    report: DatasetReport | None


def count_rows(entries: Sequence[DatasetEntry], data: DataBlock, shapes: Collection[RowShape]) -> tuple[RowCount, ...]:
    """Read every local dataset.

    Raises:
        DataError: one cannot be read or used.
    """
    return tuple(RowCount(entry, check_dataset(entry, data, shapes)) for entry in entries)


def mixed_rows(counts: Sequence[RowCount], data: DataBlock) -> int | None:
    """Rows after mixing and holding out, before overlong rows are dropped; none where a count is not known.

    Interleaving by weight is random, so there the number is what is expected.
    """
    known = [(count.report.used, count.entry.weight or 1.0) for count in counts if count.report is not None]
    if len(known) < len(counts):
        return None
    return _after_holdout(_mixed(known, data), data)


def _mixed(known: list[tuple[int, float]], data: DataBlock) -> int:
    if data.mixing == "concatenate" or len(known) == 1:
        return sum(round(rows * weight) for rows, weight in known)
    if data.mixing == "interleave_once":
        return sum(rows for rows, _ in known)
    total = sum(weight for _, weight in known)
    rounds = [rows * total / weight for rows, weight in known]  # draws until this dataset is used up
    return round(min(rounds) if data.mixing == "interleave_under" else max(rounds))


def _after_holdout(rows: int, data: DataBlock) -> int:
    if data.eval_holdout is None:
        return rows
    held_out = data.eval_holdout if data.eval_holdout >= 1 else rows * data.eval_holdout
    return max(rows - round(held_out), 0)
