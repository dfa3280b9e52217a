"""The loop stage: stages that are run again and again, each time with what the last time made."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from recipe_engine.recipe.base import Block
from recipe_engine.recipe.stages.base import Model, Rows, Stage, StageId


class Carried(Block):
    """A model that an iteration hands to the next."""

    start: Model
    """What it is in the first iteration."""
    from_stage: StageId
    """The train stage of the loop whose model it is after each iteration."""


class Slice(Block):
    """The rows that an iteration takes of some."""

    rows: Rows
    """The whole."""
    take: Annotated[int, Field(ge=1)]
    """Rows of an iteration: the next ones, in order."""
    at_end: Literal["error", "wrap", "stop"] = "error"
    """When too few are left: an ``error`` (before anything runs, where the rows can be counted); begin again from the
    first; or end the loop."""


class LoopStage(Stage):
    """Runs stages several times. Afterwards ``$name`` of what it carries is the last model."""

    kind: Literal["loop"]
    iterations: Annotated[int, Field(ge=1, le=10000)]
    """How often."""
    carry: Annotated[dict[StageId, Carried], Field(min_length=1)]
    """Models that change from one iteration to the next, by the names that the stages of the loop use."""
    slices: dict[StageId, Slice] = {}
    """Rows that each iteration takes further on, by the names that the stages of the loop use."""
    stages: Annotated[list[Stage], Field(min_length=1)]
    """What is run."""
