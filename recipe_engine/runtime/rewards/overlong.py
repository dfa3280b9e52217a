"""DAPO's soft overlong punishment (arXiv 2503.14476, equation 13), as verl computes it."""

from __future__ import annotations

from recipe_engine.recipe.rewards import OverlongReward
from recipe_engine.runtime.errors import RunError
from recipe_engine.runtime.rewards.context import RewardContext
from recipe_engine.runtime.rewards.scores import Columns, Say, Scorer
from recipe_engine.runtime.rewards.text import Completions

BUFFER_SHARE = 5
"""The paper's buffer is a fifth of the longest response: 4096 of 20480 tokens."""


def make(settings: OverlongReward, run: RewardContext, say: Say) -> Scorer:
    """The scorer.

    Raises:
        RunError: no length is known, or the buffer is larger than it.
    """
    longest = settings.max_resp_len or run.arguments.get("max_completion_length")
    if longest is None:
        raise RunError(f"reward {settings.label}: write max_resp_len, for this algorithm has no max_completion_length")
    buffer = settings.buffer or max(longest // BUFFER_SHARE, 1)
    if buffer > longest:
        raise RunError(f"reward {settings.label}: buffer is {buffer}, more than max_resp_len, {longest}")

    def score(completions: Completions, columns: Columns) -> list[float]:
        lengths = [len(ids) for ids in columns["completion_ids"]]
        return [penalty(length, longest, buffer, settings.factor, clamp=settings.clamp) for length in lengths]

    return score


def penalty(length: int, max_resp_len: int, buffer: int, factor: float, *, clamp: bool) -> float:
    """``min(-(length - (max_resp_len - buffer)) / buffer * factor, 0)``, with ``clamp`` at least ``-factor``."""
    over = length - (max_resp_len - buffer)
    value = min(-over / buffer * factor, 0.0) if over > 0 else 0.0
    return max(value, -factor) if clamp else value
