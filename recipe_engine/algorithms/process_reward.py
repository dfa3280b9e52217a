"""Process reward models: a causal language model that judges each step of a solution (arXiv 2305.20050, 2312.08935)."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from recipe_engine.algorithms.base import Algorithm
from recipe_engine.recipe.base import Block

Token = Annotated[str, Field(min_length=1)]


class ProcessRewardSettings(Block):
    """Settings of process reward model training."""

    learning_rate: Annotated[float, Field(gt=0)] = 1e-6
    """Peak learning rate of AdamW."""
    placeholder_token: Token = "ки"
    """Stands at the end of each step, where the model says its judgement. One token of the vocabulary; Math-Shepherd's
    data has the default."""
    reward_tokens: Annotated[list[Token], Field(min_length=2)] = ["+", "-"]
    """The judgements, each one token of the vocabulary, the first of them good. Only their logits are compared."""


ALGORITHM = Algorithm(
    name="process_reward",
    summary="a process reward model on solutions whose steps are labelled",
    settings=ProcessRewardSettings,
    config="SFTConfig",
    trainer="recipe_engine.runtime.trainers.process_reward:ProcessRewardTrainer",
    shapes=("stepwise",),
    # Every row is a sequence of its own, and its loss is that of its steps.
    unused=frozenset(
        {"packing", "packing_strategy", "eval_packing", "padding_free", "completion_only_loss", "assistant_only_loss"}
        | {"loss_type", "label_smoothing_factor", "router_aux_loss_coef"}
    ),
    learning_rates=(1e-7, 1e-4),
)
