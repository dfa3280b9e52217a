"""Generalized knowledge distillation (arXiv 2306.13649): the teacher's distribution on what the student itself says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field

from recipe_engine.algorithms.base import Algorithm, Derived
from recipe_engine.algorithms.grpo import completion_length
from recipe_engine.algorithms.rollout import EvaluationSampling
from recipe_engine.algorithms.teacher import BEFORE_LOADING, TeacherSettings, without_router_loss
from recipe_engine.recipe.root import Recipe

NO_REWARDS = frozenset(
    {"scale_rewards", "reward_weights", "multi_objective_aggregation", "mask_truncated_completions", "delta"}
    | {"importance_sampling_level", "loss_type", "off_policy_mask_threshold", "top_entropy_quantile", "entropy_coef"}
    | {"use_adaptive_entropy", "entropy_coef_delta", "entropy_coef_min", "entropy_coef_max", "entropy_target"}
    | {"sapo_temperature_pos", "sapo_temperature_neg", "vespo_k_pos", "vespo_lambda_pos", "vespo_k_neg"}
    | {"vespo_lambda_neg", "use_bias_correction_kl", "sync_ref_model", "ref_model_sync_steps", "ref_model_mixup_alpha"}
    | {"vllm_importance_sampling_correction", "vllm_importance_sampling_mode", "vllm_importance_sampling_clip_max"}
    | {"vllm_importance_sampling_clip_min", "router_aux_loss_coef", "cast_lm_head_to_fp32", "use_liger_kernel"}
)
"""Arguments of GRPO's config about advantages, ratios, the reference model and GRPO's own loss."""


class GkdSettings(TeacherSettings, EvaluationSampling):
    """Settings of generalized knowledge distillation."""

    learning_rate: Annotated[float, Field(gt=0)] = 1e-5
    """Peak learning rate of AdamW."""
    beta: Annotated[float, Field(ge=0, le=1)] = 0.5
    """Which divergence (equation 1): 0 is the forward KL, teacher to student; 1 the reverse KL; between them the
    generalized Jensen-Shannon divergence."""
    lmbda: Annotated[float, Field(ge=0, le=1)] = 0.5
    """Share of the rounds that are trained on completions which the student samples (lambda of algorithm 1). The others
    take the completions of the data, which below 1 must have some."""
    sft_coef: Annotated[float, Field(ge=0)] = 0.0
    """Weight of the cross-entropy with the data's completions, in the rounds that take them."""
    kd_temperature: Annotated[float, Field(gt=0)] = 1.0
    """Softmax temperature of both models in the divergence, which is multiplied by its square so that gradients keep
    their size."""
    num_generations: Annotated[int, Field(ge=1)] = 1
    """Completions sampled for each prompt."""
    max_completion_length: Annotated[int, Field(ge=1)] | None = None
    """Most tokens of a sampled completion. Default: ``data.max_length - data.max_prompt_length``."""
    temperature: Annotated[float, Field(gt=0)] = 1.0
    """Temperature at which the student samples."""
    steps_per_generation: Annotated[int, Field(ge=1)] | None = None
    """Micro-batches that one round of sampling is cut into. Default: ``gradient_accumulation_steps``, which makes one
    optimizer step a round."""


def derived(recipe: Recipe) -> Mapping[str, Derived]:
    """Lengths as in GRPO, and what its trainer would else do that no distillation needs."""
    correction = Derived(False, "the loss needs no ratio to the policy that sampled")
    found = {**completion_length(recipe), **without_router_loss(recipe)}
    return {**found, "vllm_importance_sampling_correction": correction}


ALGORITHM = Algorithm(
    name="gkd",
    summary="generalized, on-policy distillation of a teacher",
    settings=GkdSettings,
    config="GRPOConfig",
    config_class="recipe_engine.runtime.trainers.sampling:SamplingConfig",
    trainer="recipe_engine.runtime.trainers.gkd:GKDTrainer",
    shapes=("prompt_completion", "prompt"),
    derived=derived,
    before_loading=BEFORE_LOADING,
    unused=NO_REWARDS | {"epsilon", "epsilon_high"},
    models=("teacher_model",),
    sampling="groups",
    learning_rates=(1e-8, 1e-3),
)
