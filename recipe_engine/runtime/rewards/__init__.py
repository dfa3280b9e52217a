"""Rewards: functions that score completions, one file a type. A new one is a file here and a line in ``MAKERS``."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from numbers import Real
from typing import Any

from transformers import PreTrainedTokenizerBase

from recipe_engine.compiled import CompiledRun
from recipe_engine.recipe.rewards import Reward
from recipe_engine.runtime.answers import answering
from recipe_engine.runtime.errors import RunError
from recipe_engine.runtime.rewards import exact_match, format_match, function, length
from recipe_engine.runtime.rewards.text import Completions

RowCheck = Callable[[Mapping[str, Any]], None]
"""Raises ``RowError`` for a row that a reward could not score, whatever the completion."""
Scorer = Callable[[Completions, Mapping[str, Sequence[Any]]], Sequence[Any]]
"""Scores completions; the mapping holds the columns of their rows, and ``prompts`` and ``completion_ids``."""

MAKERS: dict[str, Callable[[Any, CompiledRun], Scorer]] = {
    "exact_match": exact_match.make,
    "format": format_match.make,
    "length": length.make,
    "function": function.make,
}
ROW_CHECKS: dict[str, Callable[[Any], RowCheck]] = {"exact_match": exact_match.row_check}
"""What rewards ask of rows, so that a row without an answer is named before training, not during it."""

SEE_THOUGHTS = frozenset({"format", "length", "function"})
"""Rewards of the whole completion, its thought included, in a recipe with a ``thinking`` block."""


def row_checks(run: CompiledRun) -> list[RowCheck]:
    """What the rewards of a run ask of each row."""
    return [ROW_CHECKS[reward.type](reward) for reward in run.rewards if reward.type in ROW_CHECKS]


def reward_functions(
    run: CompiledRun, tokenizer: PreTrainedTokenizerBase | None = None
) -> list[Callable[..., list[float]]]:
    """The rewards of a run, as TRL calls them. With a ``thinking`` block those that check answers see no thoughts.

    Raises:
        RunError: a reward cannot be made, such as a function whose file is not there.
    """
    made = [(reward, MAKERS[reward.type](reward, run)) for reward in run.rewards]
    if run.thinking is not None and tokenizer is not None:
        see = answering(run.thinking, tokenizer)
        made = [(reward, scorer if reward.type in SEE_THOUGHTS else see(scorer)) for reward, scorer in made]
    return [_for_trl(reward, scorer) for reward, scorer in made]


def _for_trl(reward: Reward, scorer: Scorer) -> Callable[..., list[float]]:
    label = reward.name or reward.type

    def score(*, prompts: Sequence[Any], completions: Completions, **columns: Any) -> list[float]:
        scores = scorer(completions, {"prompts": prompts, **columns})
        return _checked(label, scores, len(completions), prompts)

    score.__name__ = label  # TRL names the metric after the function
    return score


def _checked(label: str, scores: Any, expected: int, prompts: Sequence[Any]) -> list[float]:
    """TRL turns None into NaN and NaN into no advantage without a word; here each is an error with its row."""
    if hasattr(scores, "tolist"):  # an array or a tensor
        scores = scores.tolist()
    if not isinstance(scores, Sequence) or isinstance(scores, str):
        raise RunError(f"reward {label}: returned {type(scores).__name__}, not a list of numbers")
    if len(scores) != expected:
        raise RunError(f"reward {label}: returned {len(scores)} scores for {expected} completions")
    numbers = []
    for score, prompt in zip(scores, prompts, strict=True):
        number = score.item() if hasattr(score, "item") else score  # a number of numpy's or torch's
        if not isinstance(number, Real) or not math.isfinite(number):
            raise RunError(f"reward {label}: returned {score!r} for the prompt {str(prompt)[:200]!r}")
        numbers.append(float(number))
    return numbers
