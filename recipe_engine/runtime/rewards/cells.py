"""Cells of a row by the name that a reward's settings give: a column, or a key inside one that holds a mapping."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any


def cell(row: Mapping[str, Any], name: str) -> Any:
    """The value under ``name``: the column of that name, else ``a.b`` is the key ``b`` of column ``a``; else none.

    A column that holds a mapping as JSON text is read as one.
    """
    if name in row:
        return row[name]
    head, dot, rest = name.partition(".")
    if not dot:
        return None
    inner = row.get(head)
    if isinstance(inner, str):
        try:
            inner = json.loads(inner)
        except ValueError:
            return None
    return cell(inner, rest) if isinstance(inner, Mapping) else None


def column(columns: Mapping[str, Sequence[Any]], name: str, count: int) -> list[Any]:
    """The cells of ``count`` rows under ``name``."""
    head = name if name in columns else name.partition(".")[0]
    values = columns.get(head, [None] * count)
    return [cell({head: value}, name) for value in values]


def row_at(columns: Mapping[str, Sequence[Any]], index: int, leave_out: frozenset[str] = frozenset()) -> dict[str, Any]:
    """One row of the columns."""
    return {name: values[index] for name, values in columns.items() if name not in leave_out}
