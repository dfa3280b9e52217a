"""Direct Preference Optimization (arXiv 2305.18290) and the losses that TRL offers beside it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from recipe_engine.algorithms.base import Algorithm
from recipe_engine.recipe.base import Block

DpoLoss = Literal[
    "sigmoid",
    "hinge",
    "ipo",
    "exo_pair",
    "nca_pair",
    "robust",
    "bco_pair",
    "sppo_hard",
    "aot",
    "aot_unpaired",
    "apo_zero",
    "apo_down",
    "discopop",
    "sft",
    "sigmoid_norm",
]


class DpoSettings(Block):
    """Settings of direct preference optimization."""

    learning_rate: Annotated[float, Field(gt=0)] = 1e-6
    """Peak learning rate of AdamW."""
    beta: Annotated[float, Field(gt=0)] = 0.1
    """Inverse temperature: how strongly the policy is held to the reference model (DPO paper, equation 7)."""
    loss_type: DpoLoss | Annotated[list[DpoLoss], Field(min_length=1)] = ["sigmoid"]
    """One loss, or several that are added with ``loss_weights``. ``ipo`` is length-normalised, as TRL has it."""
    loss_weights: list[float] | None = None
    """Factor of each loss. Default 1 each."""
    label_smoothing: Annotated[float, Field(ge=0, lt=0.5)] = 0.0
    """Share of labels taken to be flipped. Only ``robust``, ``exo_pair``, ``aot`` and ``aot_unpaired`` read it."""
    precompute_ref_log_probs: bool = False
    """Compute the reference model's log-probabilities once before training, so that it need not stay in memory."""


ALGORITHM = Algorithm(
    name="dpo",
    summary="direct preference optimization on chosen and rejected responses",
    settings=DpoSettings,
    config="DPOConfig",
    trainer="recipe_engine.runtime.trainers.dpo:PreparedDPOTrainer",
    shapes=("preference",),
    learning_rates=(1e-8, 1e-5),
)
