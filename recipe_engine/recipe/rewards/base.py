"""What every reward has."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from recipe_engine.recipe.base import Block

Column = Annotated[str, Field(min_length=1)]
"""Name of a column. ``reward_model.ground_truth`` is a key inside a column that holds a mapping."""


class OnlyRows(Block):
    """Rows that a reward applies to, told by the value of a column."""

    column: Column
    """Column that tells, such as ``data_source``."""
    values: Annotated[list[str | bool | int | float], Field(min_length=1)]
    """Values of the rows that are scored. The others get no score from this reward, which is not the same as 0."""


class Reward(Block):
    """What every reward has."""

    type: str
    """Which reward it is."""
    name: str | None = None
    """Name in the metrics. Default: the type."""
    weight: float = 1.0
    """Factor of this reward in the sum."""
    only: OnlyRows | None = None
    """Rows that it applies to. Default: all."""
    on_error: Literal["error"] | float = "error"
    """What becomes of a completion that cannot be scored (an exception, no number, a service that does not answer):
    ``error`` stops the run and names the row; a number is its score, and the share of such completions is logged."""

    @property
    def label(self) -> str:
        """The name in the metrics."""
        return self.name or self.type


class AnswerReward(Reward):
    """A reward that reads the answer of a completion: with a ``thinking`` block, what follows the thought."""

    part: Literal["answer", "completion"] = "answer"
    """What is scored where the recipe has a ``thinking`` block: the answer alone, or the whole completion."""
    malformed_score: float = 0.0
    """Score of a completion in which a strict ``thinking`` block finds no answer."""
