"""Converting rows as a recipe would, without a recipe file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from recipe_engine.data.errors import RowError
from recipe_engine.data.rows import Converter, converter_for
from recipe_engine.recipe.data import DataBlock, DatasetEntry, RowShape

SFT: tuple[RowShape, ...] = ("text", "messages", "prompt_completion")
CPT: tuple[RowShape, ...] = ("text",)
DPO: tuple[RowShape, ...] = ("preference",)
GRPO: tuple[RowShape, ...] = ("prompt",)

Row = dict[str, Any]


def user(content: str) -> Row:
    return {"role": "user", "content": content}


def assistant(content: str) -> Row:
    return {"role": "assistant", "content": content}


def system(content: str) -> Row:
    return {"role": "system", "content": content}


def converter(
    columns: Sequence[str], shapes: Sequence[RowShape], entry: Row | None = None, data: Row | None = None
) -> Converter:
    """The converter for a dataset with these columns."""
    described = DatasetEntry(name="rows.jsonl", **(entry or {}))
    return converter_for(described, DataBlock(datasets=[described], **(data or {})), shapes, columns)


def convert(row: Row, shapes: Sequence[RowShape], entry: Row | None = None, data: Row | None = None) -> Row:
    """What a row becomes, in a dataset whose columns are the row's."""
    return converter(list(row), shapes, entry, data).convert(row)


def problem(row: Row, shapes: Sequence[RowShape], entry: Row | None = None, data: Row | None = None) -> str:
    """Why a row cannot be used; fails where it can."""
    made = converter(list(row), shapes, entry, data)
    with pytest.raises(RowError) as caught:
        made.convert(row)
    assert caught.value.code == "D405"
    return caught.value.message
