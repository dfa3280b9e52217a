"""REINFORCE++ with a group baseline (arXiv 2501.03262): rewards less the group mean, normalised over the batch."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from recipe_engine.algorithms.grpo import GrpoSettings, group_algorithm
from recipe_engine.algorithms.rollout import KlType


class ReinforcePlusPlusBaselineSettings(GrpoSettings):
    """Settings of REINFORCE++-baseline. Where a penalty is wanted, the paper adds k2 to the loss."""

    advantage_estimator: Literal["reinforce_plus_plus_baseline"] = "reinforce_plus_plus_baseline"
    """The reward less the group's mean, whitened over all tokens of the round."""
    num_generations: Annotated[int, Field(ge=2)] = 8
    """Completions sampled for each prompt: the size of a group."""
    kl_type: KlType | None = "k2"
    """How the divergence of a token is estimated."""


ALGORITHM = group_algorithm(
    "reinforce_plus_plus_baseline",
    "REINFORCE with a group baseline, normalised over the batch",
    ReinforcePlusPlusBaselineSettings,
)
