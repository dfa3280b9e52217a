"""The ``rewards`` list: what scores a completion in reinforcement learning. Scores are weighted and added up."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from recipe_engine.recipe.base import Block


class Reward(Block):
    """What every reward has."""

    type: str
    """Which reward it is."""
    name: str | None = None
    """Name in the metrics. Default: the type."""
    weight: float = 1.0
    """Factor of this reward in the sum."""


class ExactMatchReward(Reward):
    """1 where the completion is the reference answer, else 0."""

    type: Literal["exact_match"]
    """Compares with a column."""
    answer_column: str = "answer"
    """Column of the reference answer, as the datasets' ``answer_column`` names it once read."""
    pattern: str | None = None
    """Regular expression whose first group in the completion's last match is the answer. Default: the whole completion,
    without surrounding white space."""
    answer_pattern: str | None = None
    """Regular expression whose first group in the column's last match is the reference, such as ``#### (.+)`` for
    GSM8K. Default: the whole column."""
    ignore_case: bool = False
    """Compare without regard to case."""


class FormatReward(Reward):
    """1 where the completion matches a regular expression, else 0."""

    type: Literal["format"]
    """Matches a pattern."""
    pattern: Annotated[str, Field(min_length=1)]
    """Regular expression (Python's; ``.`` matches line breaks too)."""
    match: Literal["full", "search"] = "full"
    """Whether the whole completion must match, or a part of it."""


class LengthReward(Reward):
    """1 where the completion's length is within bounds, falling to 0 outside."""

    type: Literal["length"]
    """Measures length."""
    unit: Literal["tokens", "characters", "words"] = "tokens"
    """What is counted."""
    min: Annotated[int, Field(ge=0)] = 0
    """Shortest length of full score."""
    max: Annotated[int, Field(ge=1)] | None = None
    """Longest length of full score."""
    slope: Annotated[int, Field(ge=0)] = 0
    """Over how many units past a bound the score falls linearly to 0. 0: at once."""


class FunctionReward(Reward):
    """A Python function of yours. Training runs it: it is refused without ``--allow-reward-code``."""

    type: Literal["function"]
    """Calls a function."""
    path: Annotated[str, Field(min_length=1)]
    """Python file, inside the recipe's folder."""
    name: Annotated[str, Field(min_length=1)]
    """Name of the function in the file, and in the metrics. It is called as
    ``f(prompts=..., completions=..., **columns)`` with one list entry a completion, and returns a number for each."""
    kwargs: dict[str, Any] = {}
    """Further keyword arguments of every call."""


REWARDS: dict[str, type[Reward]] = {
    "exact_match": ExactMatchReward,
    "format": FormatReward,
    "length": LengthReward,
    "function": FunctionReward,
}
