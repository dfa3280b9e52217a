"""On-Policy RL with Optimal baseline (arXiv 2505.23585): rewards less the length-weighted mean of the group."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from recipe_engine.algorithms.grpo import GrpoSettings, group_algorithm


class OpoSettings(GrpoSettings):
    """Settings of OPO. Exact on-policy training, one update a round, is the paper's; more updates are clipped."""

    advantage_estimator: Literal["opo"] = "opo"
    """The reward less the group's mean weighted by completion length."""
    num_generations: Annotated[int, Field(ge=2)] = 8
    """Completions sampled for each prompt: the size of a group."""


ALGORITHM = group_algorithm("opo", "policy gradient with the group baseline of least variance", OpoSettings)
