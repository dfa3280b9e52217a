"""Reward models from preferences: a score for a whole answer, by the model of Bradley and Terry."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from recipe_engine.algorithms.base import Algorithm
from recipe_engine.recipe.base import Block


class RewardModelSettings(Block):
    """Settings of reward model training."""

    learning_rate: Annotated[float, Field(gt=0)] = 1e-5
    """Peak learning rate of AdamW. (TRL's own default, 1e-4, is for adapters.)"""
    center_rewards_coefficient: Annotated[float, Field(ge=0)] | None = None
    """Weight of a penalty on (r_chosen + r_rejected)^2, which holds scores around zero (arXiv 2312.09244, equation 2).
    Usual: 0.01. Default: none."""
    label_smoothing: Annotated[float, Field(ge=0, lt=0.5)] = 0.0
    """Share of preferences taken to be the wrong way round (arXiv 2401.06080, section 2.3)."""
    value_head_prefix: Annotated[str, Field(min_length=1)] | None = None
    """Name of the head in the checkpoint, where it is not ``score``: ``value_head`` for models that OpenRLHF trained.
    It is saved as ``score``."""


ALGORITHM = Algorithm(
    name="reward_model",
    summary="a reward model on chosen and rejected responses",
    settings=RewardModelSettings,
    config="RewardConfig",
    trainer="recipe_engine.runtime.trainers.reward_model:PreparedRewardTrainer",
    shapes=("preference_margin",),
    task="sequence_classification",
    learning_rates=(1e-7, 1e-4),
)
