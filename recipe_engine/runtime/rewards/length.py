"""1 where the completion's length is within bounds, falling to 0 outside."""

from __future__ import annotations

from recipe_engine.recipe.rewards import LengthReward
from recipe_engine.runtime.rewards.context import RewardContext
from recipe_engine.runtime.rewards.scores import Columns, Say, Scorer
from recipe_engine.runtime.rewards.text import Completions, text_of


def make(settings: LengthReward, run: RewardContext, say: Say) -> Scorer:
    """The scorer."""

    def score(completions: Completions, columns: Columns) -> list[float]:
        return [within(length, settings) for length in _lengths(settings.unit, completions, columns)]

    return score


def within(length: int, settings: LengthReward) -> float:
    """1 within ``[min, max]``; outside ``1 - distance / (slope + 1)``, at least 0."""
    if length < settings.min:
        distance = settings.min - length
    elif settings.max is not None and length > settings.max:
        distance = length - settings.max
    else:
        return 1.0
    return max(0.0, 1.0 - distance / (settings.slope + 1))


def _lengths(unit: str, completions: Completions, columns: Columns) -> list[int]:
    if unit == "tokens":
        return [len(ids) for ids in columns["completion_ids"]]
    texts = [text_of(completion) for completion in completions]
    return [len(text.split()) if unit == "words" else len(text) for text in texts]
