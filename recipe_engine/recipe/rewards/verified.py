"""Rewards that compare an answer with the reference in a column."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from recipe_engine.recipe.patterns import LETTERS
from recipe_engine.recipe.rewards.base import AnswerReward, Column


class ExactMatchReward(AnswerReward):
    """1 where the completion is the reference answer, else 0."""

    type: Literal["exact_match"]
    """Compares with a column."""
    answer_column: Column = "answer"
    """Column of the reference answer, as the datasets' ``answer_column`` names it once read."""
    pattern: str | None = None
    """Regular expression whose first group in the completion's last match is the answer. Default: the whole completion,
    without surrounding white space."""
    answer_pattern: str | None = None
    """Regular expression whose first group in the column's last match is the reference, such as ``#### (.+)`` for
    GSM8K. Default: the whole column."""
    ignore_case: bool = False
    """Compare without regard to case."""


class MathReward(AnswerReward):
    """1 where the answer equals the reference as mathematics, else 0: ``1/2``, ``0.5`` and LaTeX's fraction are one."""

    type: Literal["math"]
    """Compares expressions with Math-Verify."""
    answer_column: Column = "answer"
    """Column of the reference: LaTeX, with or without ``$`` or a box, or a plain expression."""
    pattern: str | None = None
    """Regular expression whose first group in the completion's last match holds the answer. Default: Math-Verify finds
    it, the last box first."""
    answer_pattern: str | None = None
    """Regular expression whose first group in the column's last match is the reference, such as ``#### (.+)``."""
    timeout: Annotated[float, Field(gt=0, le=600)] = 5.0
    """Seconds for one comparison. One that takes longer scores 0, and the share of them is logged."""
    concurrency: Annotated[int, Field(ge=1, le=64)] = 2
    """Helper processes that compare."""


class MultipleChoiceReward(AnswerReward):
    """1 where the chosen letter is the right one, else 0."""

    type: Literal["multiple_choice"]
    """Finds the chosen letter: in a box, after "answer", in parentheses, or alone; the last one counts."""
    answer_column: Column = "answer"
    """Column of the right choice: its letter, its text, or its number from 0."""
    choices_column: Column | None = None
    """Column of the list of choices, for references by text or number. A completion may then name a choice by its text
    too."""
    letters: Annotated[str, Field(pattern=LETTERS)] = "ABCDEFGHIJ"
    """Letters of the choices, in order."""
    pattern: str | None = None
    """Regular expression whose first group in the completion's last match is the letter. Default: the usual forms."""


class RankingReward(AnswerReward):
    """GRRM's ranking accuracy, 0 to 2: how many pairs are ranked right, and how near the scores' margins are."""

    type: Literal["ranking_accuracy"]
    """Reads a ranking such as ``A > B = C`` and scores such as ``{A: 8, B: 5, C: 5}`` from the end of the answer."""
    part: Literal["answer", "completion"] = "completion"
    """What is scored where the recipe has a ``thinking`` block: the whole completion, whose reasoning is asked for, or
    the answer alone."""
    answer_column: Column = "reward_model.ground_truth"
    """Column of the true scores: a mapping from letter to integer, or that as JSON."""
    min_score: int = 0
    """Lowest score that may be given."""
    max_score: int = 10
    """Highest score that may be given."""
