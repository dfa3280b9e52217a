"""1 where the completion has the form asked for, else 0: a regular expression's, or that of the thinking block."""

from __future__ import annotations

import re

from recipe_engine.data.thinking import fault
from recipe_engine.recipe.rewards import FormatReward
from recipe_engine.runtime.errors import RunError
from recipe_engine.runtime.rewards.context import RewardContext
from recipe_engine.runtime.rewards.scores import Columns, Say, Scorer
from recipe_engine.runtime.rewards.text import Completions, text_of


def make(settings: FormatReward, run: RewardContext, say: Say) -> Scorer:
    """The scorer.

    Raises:
        RunError: there is neither a pattern nor a thinking block.
    """
    if settings.pattern is None:
        thinking = run.thinking
        if thinking is None:
            raise RunError(f"reward {settings.label}: it has no pattern, and the recipe no `thinking` block to check")
        begun = thinking.begin_completion
        return lambda completions, columns: [
            float(fault(thinking, text_of(completion), begun=begun) is None) for completion in completions
        ]
    pattern = re.compile(settings.pattern, re.DOTALL)
    match = pattern.fullmatch if settings.match == "full" else pattern.search

    def score(completions: Completions, columns: Columns) -> list[float]:
        return [float(match(text_of(completion)) is not None) for completion in completions]

    return score
