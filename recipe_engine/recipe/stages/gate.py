"""The gate stage: whether a model is good enough to go on with."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from recipe_engine.recipe.base import Block
from recipe_engine.recipe.stages.base import Rows, Stage


class Condition(Block):
    """One number of an evaluation's summary, and its bounds."""

    metric: Annotated[str, Field(min_length=1)]
    """Its dotted name in ``summary.json``, such as ``candidate.reward.mean`` or ``difference.reward.mean``. Of a number
    with an interval, all of it must be within the bounds; an interval that crosses one is inconclusive."""
    at_least: float | None = None
    """Least value."""
    at_most: float | None = None
    """Largest value."""


class GateStage(Stage):
    """Decides: ready, not ready (and why), or inconclusive."""

    kind: Literal["gate"]
    evaluation: Rows
    """``$id`` of an evaluate stage."""
    conditions: Annotated[list[Condition], Field(min_length=1)]
    """What must hold."""
    not_ready: Literal["stop", "continue"] = "stop"
    """What the pipeline does then. One that is stopped so ends with exit code 1."""
    inconclusive: Literal["stop", "continue"] = "stop"
    """The same where an interval leaves it open."""
