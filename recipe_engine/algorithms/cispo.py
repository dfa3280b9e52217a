"""CISPO (arXiv 2506.13585): importance weights are truncated, and no token loses its gradient."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from recipe_engine.algorithms.grpo import GrpoSettings, group_algorithm


class CispoSettings(GrpoSettings):
    """Settings of CISPO: GRPO's, with the weights of equation 4 of the paper."""

    epsilon_high: Annotated[float, Field(gt=1)] = 5.0
    """Largest importance weight of a token: the weight itself, not its distance from 1."""
    loss_type: Literal["cispo"] = "cispo"
    """Truncated weights, and every token of the batch weighs alike."""


ALGORITHM = group_algorithm("cispo", "policy optimization with truncated importance weights", CispoSettings)
