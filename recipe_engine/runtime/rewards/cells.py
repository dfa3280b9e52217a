"""Cells of a row by the name that a reward's settings give: a column, or a key inside one that holds a mapping."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from recipe_engine.data.cells import cell


def column(columns: Mapping[str, Sequence[Any]], name: str, count: int) -> list[Any]:
    """The cells of ``count`` rows under ``name``."""
    head = name if name in columns else name.partition(".")[0]
    values = columns.get(head, [None] * count)
    return [cell({head: value}, name) for value in values]


def row_at(columns: Mapping[str, Sequence[Any]], index: int, leave_out: frozenset[str] = frozenset()) -> dict[str, Any]:
    """One row of the columns."""
    return {name: values[index] for name, values in columns.items() if name not in leave_out}
