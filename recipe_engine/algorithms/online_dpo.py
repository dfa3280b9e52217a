"""Online DPO (arXiv 2402.04792): the policy's own completions, the best against the worst by reward."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from recipe_engine.algorithms.base import Algorithm
from recipe_engine.algorithms.gkd import NO_REWARDS, derived
from recipe_engine.algorithms.rollout import EvaluationSampling

KEPT = frozenset(
    {"sync_ref_model", "ref_model_sync_steps", "ref_model_mixup_alpha", "loss_type"}
    | {"cast_lm_head_to_fp32", "use_liger_kernel", "reward_weights"}
)


class OnlineDpoSettings(EvaluationSampling):
    """Settings of online direct preference optimization."""

    learning_rate: Annotated[float, Field(gt=0)] = 1e-6
    """Peak learning rate of AdamW."""
    beta: Annotated[float, Field(gt=0)] = 0.1
    """Inverse temperature: how strongly the policy is held to the reference model, which is the model as it starts."""
    loss_type: Literal["sigmoid", "ipo", "ipo_sum"] = "sigmoid"
    """``sigmoid``: DPO. ``ipo_sum``: (D - 1/(2 beta))^2 on summed log-ratios D (arXiv 2310.12036, equation 17), which
    TRL's online DPO calls ipo; ``ipo``: the same on log-ratios averaged over tokens, as under dpo."""
    num_generations: Annotated[int, Field(ge=2)] = 2
    """Completions sampled for each prompt. The best and the worst of them make a pair."""
    missing_eos_penalty: Annotated[float, Field(ge=0)] = 0.0
    """Taken from the reward of a completion that was cut at ``max_completion_length`` before it ended."""
    max_completion_length: Annotated[int, Field(ge=1)] | None = None
    """Most tokens of a completion. Default: ``data.max_length - data.max_prompt_length``."""
    temperature: Annotated[float, Field(gt=0)] = 1.0
    """Temperature at which completions are sampled, and at which log-probabilities are taken."""
    steps_per_generation: Annotated[int, Field(ge=1)] | None = None
    """Micro-batches that one round of sampling is cut into. Default: ``gradient_accumulation_steps``, which makes one
    optimizer step a round."""
    num_iterations: Annotated[int, Field(ge=1)] = 1
    """Passes over each round of samples."""


ALGORITHM = Algorithm(
    name="online_dpo",
    summary="direct preference optimization on the policy's own completions, ranked by rewards",
    settings=OnlineDpoSettings,
    config="GRPOConfig",
    trainer="recipe_engine.runtime.trainers.online_dpo:OnlineDPOTrainer",
    shapes=("prompt",),
    derived=derived,
    unused=(NO_REWARDS - KEPT) | {"epsilon", "epsilon_high", "num_generations_eval"},
    sampling="groups",
    reward_driven=True,
    learning_rates=(1e-8, 1e-4),
)
