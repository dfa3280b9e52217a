"""The prepare stage: rows of datasets, transformed, filtered and split, one after the other and never all at once."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from recipe_engine.recipe.base import Block
from recipe_engine.recipe.data import DatasetEntry
from recipe_engine.recipe.stages.base import Rows, Stage


class Step(Block):
    """What every step has."""

    do: str
    """Which step it is."""


STEPS: dict[str, type[Step]] = {}
"""Filled in by the module of each step."""


class PrepareStage(Stage):
    """Makes rows of rows. Every row that is left out is counted, by its reason."""

    kind: Literal["prepare"]
    rows: Rows | None = None
    """Short for a single dataset of that name."""
    datasets: list[DatasetEntry] = []
    """What is read, one after the other."""
    steps: list[Step] = []
    """What is done to each row, in this order."""
    max_invalid_share: Annotated[float, Field(ge=0, le=1)] = 0.0
    """More rows than this share that a step cannot read are an error; up to it they are dropped and counted."""
    output: Literal["jsonl", "parquet"] = "jsonl"
    """What is written."""
