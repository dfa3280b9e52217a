"""The select stage: which of the scored completions are trained on, and as what."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from recipe_engine.recipe.stages.base import Rows, Stage

OF_A_COMPLETION = frozenset(
    {"completion", "completion_tokens", "sample_idx", "finish_reason", "reward", "rewards", "completion_ids"}
)
"""Columns that belong to one completion, not to its prompt."""


class SelectStage(Stage):
    """Chooses among scored rows: those of one prompt (``prompt_id``) are a group."""

    kind: Literal["select"]
    rows: Rows
    """Rows of a score stage."""
    how: Literal["best_of_n", "best_worst", "threshold", "top_k", "conditional", "difficulty"]
    """``best_of_n``: the best of each group (the first of equals); ``best_worst``: a pair of the best and the worst,
    groups without a difference are dropped; ``threshold``: all from ``at_least`` on; ``top_k``: the ``k`` best of all
    rows; ``conditional``: all, with the reward in the prompt; ``difficulty``: prompts whose share of passed
    completions is within bounds."""
    iterations: Literal["last", "all"] = "last"
    """In a loop: the rows of this iteration alone, or of all so far."""
    at_least: float | None = None
    """``threshold``: the least reward. ``difficulty``: from which reward on a completion has passed (default 1)."""
    k: Annotated[int, Field(ge=1)] | None = None
    """``top_k``: how many."""
    min_pass_rate: Annotated[float, Field(ge=0, le=1)] = 0.2
    """``difficulty``: least share of passed completions."""
    max_pass_rate: Annotated[float, Field(ge=0, le=1)] = 0.8
    """``difficulty``: largest share of passed completions."""
    min_group: Annotated[int, Field(ge=1)] = 1
    """Groups of fewer rows are dropped and counted."""
    finished_only: bool = False
    """Leave out completions that were cut at their most tokens (``finish_reason: length``)."""
    max_chars: Annotated[int, Field(ge=1)] | None = None
    """Leave out completions of more characters; a pair goes if either side does."""
    template: str = "{prompt} <rm_score>: {reward:.2f} "
    """``conditional``: what the prompt becomes. Of a conversation, its last user message."""
    normalize: bool = False
    """``conditional``: put the rewards to mean 0 and deviation 1 over all rows first."""
    reward_column: str = "reward"
    """Column that is compared. ``rewards.format`` is one of the parts."""
    shuffle: bool = False
    """Shuffle what was chosen, by the stage's seed."""
    eval_share: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Share of the chosen prompts that becomes the split ``eval``."""
