"""Proximal Policy Optimization (arXiv 1707.06347) with a critic and generalized advantages (arXiv 1506.02438)."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from recipe_engine.algorithms.base import Algorithm
from recipe_engine.algorithms.grpo import derived_arguments
from recipe_engine.algorithms.rollout import RolloutSettings, sizes_of

# Of GRPOConfig: what makes advantages of a group, losses that are not PPO's, and a reference model that moves.
UNUSED = frozenset(
    {
        *("scale_rewards", "multi_objective_aggregation", "importance_sampling_level"),
        *("sapo_temperature_pos", "sapo_temperature_neg", "off_policy_mask_threshold", "top_entropy_quantile"),
        *("vespo_k_pos", "vespo_k_neg", "vespo_lambda_pos", "vespo_lambda_neg"),
        *("use_adaptive_entropy", "entropy_target", "entropy_coef_delta", "entropy_coef_min", "entropy_coef_max"),
        *("sync_ref_model", "ref_model_mixup_alpha", "ref_model_sync_steps"),
    }
)


class SampledSettings(RolloutSettings):
    """What the algorithms share that give each token of a completion an advantage of its own."""

    entropy_coef: Annotated[float, Field(ge=0)] = 0.0
    """Weight of the entropy bonus: the mean entropy of the global batch's tokens."""
    loss_type: Literal["dapo"] = "dapo"
    """``dapo``: every token of the global batch weighs alike."""


class PpoSettings(SampledSettings):
    """Settings of proximal policy optimization."""

    num_generations: Annotated[int, Field(ge=1)] = 1
    """Completions sampled for each prompt. The critic is the baseline, so one is enough."""
    gamma: Annotated[float, Field(ge=0, le=1)] = 1.0
    """Discount of a later token's reward."""
    lam: Annotated[float, Field(ge=0, le=1)] = 1.0
    """Lambda of generalized advantage estimation: 1 trusts the rewards alone, less trusts the critic more."""
    cliprange_value: Annotated[float, Field(gt=0)] | None = 0.5
    """The critic's values may leave those at the time of sampling by this much in one round. null: no limit."""
    critic_init: Annotated[str, Field(min_length=1)] | None = None
    """What the critic starts from: the folder or Hub id of a reward model with the policy's tokenizer, or of a critic
    that an earlier run saved. Default: the policy's weights, with a head of zeros."""
    critic_learning_rate: Annotated[float, Field(gt=0)] = 1e-5
    """Peak learning rate of the critic; its schedule has the shape of the policy's."""
    critic_trained: Literal["all", "head"] = "all"
    """Train all weights of the critic, or its head alone."""
    critic_warmup_steps: Annotated[int, Field(ge=0)] = 0
    """Optimizer steps at the start in which the critic alone is trained. The policy's schedule begins after them."""
    kl_controller: Literal["fixed", "adaptive"] = "fixed"
    """``adaptive``: ``beta`` is only the start, and is steered so that the KL stays at ``target_kl``. It needs
    ``kl_in_reward``."""
    target_kl: Annotated[float, Field(gt=0)] = 0.1
    """KL per token that the adaptive controller aims at."""
    kl_horizon: Annotated[int, Field(ge=1)] = 10_000
    """Completions over which the adaptive controller corrects an error of 100 % once."""
    missing_eos_penalty: Annotated[float, Field(gt=0)] | None = None
    """Taken off the score of a completion that does not end in an end-of-text token."""


ALGORITHM = Algorithm(
    name="ppo",
    summary="proximal policy optimization on rewards, with a critic",
    settings=PpoSettings,
    config="GRPOConfig",
    config_class="recipe_engine.runtime.trainers.sampling:SamplingConfig",
    trainer="recipe_engine.runtime.trainers.ppo:PPOTrainer",
    shapes=("prompt",),
    derived=derived_arguments,
    sizes=sizes_of,
    unused=UNUSED,
    sampling="groups",
    reward_driven=True,
    models=("critic_init",),
    learning_rates=(1e-8, 1e-4),
)
