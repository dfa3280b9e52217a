"""Rewards: functions that score completions, one file a type. A new one is a file beside these and a line in ``MAKERS``."""

from __future__ import annotations

import math
import numbers
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from recipe_engine.compiled import CompiledRun
from recipe_engine.recipe.rewards import Reward
from recipe_engine.runtime.errors import RunError
from recipe_engine.runtime.rewards import exact_match, format_match, function, length
from recipe_engine.runtime.rewards.text import Completions

Scorer = Callable[[Completions, Mapping[str, Sequence[Any]]], Sequence[Any]]
"""Scores completions; the mapping holds the columns of their rows, and ``prompts`` and ``completion_ids``."""

MAKERS: dict[str, Callable[[Any, CompiledRun], Scorer]] = {
    "exact_match": exact_match.make,
    "format": format_match.make,
    "length": length.make,
    "function": function.make,
}


def reward_functions(run: CompiledRun) -> list[Callable[..., list[float]]]:
    """The rewards of a run, as TRL calls them.

    Raises:
        RunError: a reward cannot be made, such as a function whose file is not there.
    """
    return [_for_trl(reward, MAKERS[reward.type](reward, run)) for reward in run.rewards]


def _for_trl(reward: Reward, scorer: Scorer) -> Callable[..., list[float]]:
    label = reward.name or reward.type

    def score(*, prompts: Sequence[Any], completions: Completions, **columns: Any) -> list[float]:
        scores = scorer(completions, {"prompts": prompts, **columns})
        return _checked(label, scores, len(completions), prompts)

    score.__name__ = label  # TRL names the metric after the function
    return score


def _checked(label: str, scores: Any, expected: int, prompts: Sequence[Any]) -> list[float]:
    """TRL turns None into NaN and NaN into no advantage without a word; here each is an error with its row."""
    if not isinstance(scores, Sequence) or isinstance(scores, str):
        raise RunError(f"reward {label}: returned {type(scores).__name__}, not a list of numbers")
    if len(scores) != expected:
        raise RunError(f"reward {label}: returned {len(scores)} scores for {expected} completions")
    for score, prompt in zip(scores, prompts, strict=True):
        if not isinstance(score, numbers.Real) or not math.isfinite(float(score)):
            raise RunError(f"reward {label}: returned {score!r} for the prompt {str(prompt)[:200]!r}")
    return [float(score) for score in scores]
