"""Rows of prompts, on their way to the rewards.

Rewards read any column of a row. Arrow gives every row the same columns and types: it would fill each chat message with
the keys that another one has, and refuse a column that holds a number here and text there. So a row travels as JSON.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

COLUMN = "row"
"""The one column of a prepared dataset of prompts."""

Row = dict[str, Any]


def pack(row: Row) -> dict[str, str]:
    """A row for Arrow. Values that JSON cannot hold, such as dates, become text."""
    return {COLUMN: json.dumps(row, ensure_ascii=False, default=str)}


def unpack(packed: Iterable[dict[str, str]], columns: Sequence[str]) -> list[Row]:
    """Packed rows as they were, each with all of the mixture's columns: none where a row has no value."""
    return [dict.fromkeys(columns) | json.loads(row[COLUMN]) for row in packed]
