"""REINFORCE++ (arXiv 2501.03262): no group and no critic; token returns, normalised over the whole batch."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from recipe_engine.algorithms.grpo import GrpoSettings, group_algorithm


class ReinforcePlusPlusSettings(GrpoSettings):
    """Settings of REINFORCE++: one completion of each prompt, the KL penalty in the reward of each token."""

    advantage_estimator: Literal["reinforce_plus_plus"] = "reinforce_plus_plus"
    """Each token's return, whitened over all tokens of the round."""
    num_generations: Annotated[int, Field(ge=1)] = 1
    """Completions sampled for each prompt."""
    beta: Annotated[float, Field(ge=0)] = 0.01
    """Weight of the KL penalty to the reference model. 0: no penalty, and no reference model is loaded."""
    kl_in_reward: bool = True
    """The penalty is subtracted from the reward of each token; false adds it to the loss."""


ALGORITHM = group_algorithm(
    "reinforce_plus_plus", "REINFORCE with advantages normalised over the batch", ReinforcePlusPlusSettings
)
