"""Simple Preference Optimization (arXiv 2405.14734): length-normalised rewards with a margin, no reference model."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from recipe_engine.algorithms.base import Algorithm
from recipe_engine.algorithms.reference_free import UNUSED
from recipe_engine.recipe.base import Block


class SimpoSettings(Block):
    """Settings of simple preference optimization."""

    learning_rate: Annotated[float, Field(gt=0)] = 1e-6
    """Peak learning rate of AdamW. The paper found 3e-7 to 1e-6; above that models begin to repeat themselves."""
    beta: Annotated[float, Field(gt=0)] = 2.0
    """Scale of the reward, which is ``beta`` times the mean log-probability of a token (equation 4). 2 to 10."""
    gamma_beta_ratio: Annotated[float, Field(ge=0)] = 0.5
    """Target margin as a share of ``beta``, as the authors tune it: 0.3 to 0.8."""
    gamma: Annotated[float, Field(ge=0)] | None = None
    """Target margin itself (equation 6), in place of ``gamma_beta_ratio``. Default: ``gamma_beta_ratio x beta``."""
    loss_type: Literal["sigmoid", "hinge"] = "sigmoid"
    """``sigmoid``: the paper's loss; ``hinge``: max(0, 1 - margin)."""
    label_smoothing: Annotated[float, Field(ge=0, lt=0.5)] = 0.0
    """Share of labels taken to be flipped, under ``sigmoid``."""
    nll_loss_coef: Annotated[float, Field(ge=0)] = 0.0
    """Add this much of the chosen responses' negative log-likelihood: the mean over a response's tokens, then over the
    responses. The paper has none."""
    alpha: float = 0.0
    """Shape of the reward, as in AlphaPO (arXiv 2501.03884): ``beta (1 - p^-alpha) / alpha``, where p is the geometric
    mean of the tokens' probabilities. 0: SimPO's logarithm."""

    @property
    def target_margin(self) -> float:
        """The margin between the rewards that the loss asks for: gamma of equation 6."""
        return self.gamma_beta_ratio * self.beta if self.gamma is None else self.gamma


ALGORITHM = Algorithm(
    name="simpo",
    summary="simple preference optimization: length-normalised rewards with a margin, without a reference model",
    settings=SimpoSettings,
    config="DPOConfig",
    trainer="recipe_engine.runtime.trainers.reference_free:SimPOTrainer",
    shapes=("preference",),
    unused=UNUSED,
    learning_rates=(1e-8, 1e-5),
)
