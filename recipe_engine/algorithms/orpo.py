"""Odds Ratio Preference Optimization (arXiv 2403.07691): fine-tuning and preference in one, no reference model."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from recipe_engine.algorithms.base import Algorithm
from recipe_engine.algorithms.reference_free import UNUSED
from recipe_engine.recipe.base import Block


class OrpoSettings(Block):
    """Settings of odds ratio preference optimization."""

    learning_rate: Annotated[float, Field(gt=0)] = 8e-6
    """Peak learning rate of AdamW. It is higher than DPO's, since the model is fine-tuned at the same time."""
    beta: Annotated[float, Field(gt=0)] = 0.1
    """Weight of the odds ratio against the fine-tuning loss: lambda in the paper's equation 6."""


ALGORITHM = Algorithm(
    name="orpo",
    summary="odds ratio preference optimization: fine-tuning and preference at once, without a reference model",
    settings=OrpoSettings,
    config="DPOConfig",
    trainer="recipe_engine.runtime.trainers.reference_free:ORPOTrainer",
    shapes=("preference",),
    unused=UNUSED | {"loss_type", "label_smoothing"},
    learning_rates=(1e-7, 1e-4),
)
