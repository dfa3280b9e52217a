"""REINFORCE Leave-One-Out (arXiv 2402.14740): a reward is compared with the mean of the others of its group."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from recipe_engine.algorithms.grpo import GrpoSettings, group_algorithm


class RlooSettings(GrpoSettings):
    """Settings of RLOO: the leave-one-out baseline, and the KL penalty in the reward."""

    advantage_estimator: Literal["rloo"] = "rloo"
    """The reward less the mean of the group's other rewards."""
    num_generations: Annotated[int, Field(ge=2)] = 4
    """Completions sampled for each prompt."""
    beta: Annotated[float, Field(ge=0)] = 0.05
    """Weight of the KL penalty to the reference model. 0: no penalty, and no reference model is loaded."""
    kl_in_reward: bool = True
    """The penalty is subtracted from the reward; false adds it to the loss."""


ALGORITHM = group_algorithm("rloo", "REINFORCE with the leave-one-out baseline on rewards", RlooSettings)
