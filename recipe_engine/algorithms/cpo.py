"""Contrastive Preference Optimization (arXiv 2401.08417): DPO's loss without its reference model, and likelihood."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from recipe_engine.algorithms.base import Algorithm
from recipe_engine.algorithms.reference_free import UNUSED
from recipe_engine.recipe.base import Block


class CpoSettings(Block):
    """Settings of contrastive preference optimization."""

    learning_rate: Annotated[float, Field(gt=0)] = 1e-6
    """Peak learning rate of AdamW."""
    beta: Annotated[float, Field(gt=0)] = 0.1
    """Scale of the difference of the summed log-probabilities (equation 4)."""
    loss_type: Literal["sigmoid", "hinge"] = "sigmoid"
    """``sigmoid``: the paper's loss; ``hinge``: max(0, 1 - beta times the difference)."""
    label_smoothing: Annotated[float, Field(ge=0, lt=0.5)] = 0.0
    """Share of labels taken to be flipped, under ``sigmoid``."""
    nll_loss_coef: Annotated[float, Field(ge=0)] = 1.0
    """Weight of the chosen responses' negative log-likelihood, which keeps the policy near good answers in place of a
    reference model. The paper's is 1."""
    nll_length_normalized: bool = True
    """Average that likelihood over the tokens of a response, as the programs of the field do. ``false``: sum it, as
    the paper writes it; the sum grows with the length of the response."""


ALGORITHM = Algorithm(
    name="cpo",
    summary="contrastive preference optimization on pairs, without a reference model",
    settings=CpoSettings,
    config="DPOConfig",
    trainer="recipe_engine.runtime.trainers.reference_free:CPOTrainer",
    shapes=("preference",),
    unused=UNUSED,
    learning_rates=(1e-8, 1e-4),
)
