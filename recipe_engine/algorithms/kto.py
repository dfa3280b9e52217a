"""Kahneman-Tversky Optimization (arXiv 2402.01306): answers that are each good or bad, without pairs."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from recipe_engine.algorithms.base import Algorithm
from recipe_engine.recipe.base import Block


class KtoSettings(Block):
    """Settings of Kahneman-Tversky optimization."""

    learning_rate: Annotated[float, Field(gt=0)] = 1e-6
    """Peak learning rate of AdamW."""
    beta: Annotated[float, Field(gt=0)] = 0.1
    """How strongly the policy is held to the reference model (KTO paper, equation 8)."""
    loss_type: Literal["kto", "apo_zero_unpaired"] = "kto"
    """``kto``, or ``apo_zero_unpaired``: APO-zero on single answers (arXiv 2408.06266), which estimates no KL."""
    desirable_weight: Annotated[float, Field(gt=0)] = 1.0
    """Weight of the good answers (lambda_D in the paper)."""
    undesirable_weight: Annotated[float, Field(gt=0)] = 1.0
    """Weight of the bad answers (lambda_U). Weight times number should be from 1 to 4/3 times as much for the good
    answers as for the bad ones (paper, section 4.2)."""
    precompute_ref_log_probs: bool = False
    """Compute the reference model's log-probabilities once before training, so that it need not stay in memory."""


ALGORITHM = Algorithm(
    name="kto",
    summary="Kahneman-Tversky optimization on answers that are each good or bad",
    settings=KtoSettings,
    config="KTOConfig",
    trainer="recipe_engine.runtime.trainers.kto:PreparedKTOTrainer",
    shapes=("unpaired",),
    learning_rates=(1e-8, 1e-5),
)
