"""ReMax (arXiv 2310.10505): the baseline of a prompt is the reward of its most likely completion."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from recipe_engine.algorithms.grpo import GrpoSettings, group_algorithm


class RemaxSettings(GrpoSettings):
    """Settings of ReMax: one completion of each prompt, and one more that is decoded greedily."""

    advantage_estimator: Literal["remax"] = "remax"
    """The reward less that of the greedy completion (algorithm 1 of the paper)."""
    num_generations: Annotated[int, Field(ge=1)] = 1
    """Completions sampled for each prompt, the greedy one not counted."""


ALGORITHM = group_algorithm("remax", "REINFORCE with the greedy completion as the baseline, on rewards", RemaxSettings)
