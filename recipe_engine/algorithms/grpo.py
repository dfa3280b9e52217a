"""Group Relative Policy Optimization (arXiv 2402.03300): sampled groups, rewards relative to the group."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from recipe_engine.algorithms.base import Algorithm, Derived
from recipe_engine.recipe.base import Block
from recipe_engine.recipe.data import DataBlock
from recipe_engine.recipe.rewards import ExactMatchReward, Reward
from recipe_engine.recipe.root import Recipe


class GrpoSettings(Block):
    """Settings of group relative policy optimization."""

    learning_rate: Annotated[float, Field(gt=0)] = 1e-6
    """Peak learning rate of AdamW."""
    num_generations: Annotated[int, Field(ge=2)] = 8
    """Completions sampled for each prompt: the size of a group."""
    max_completion_length: Annotated[int, Field(ge=1)] | None = None
    """Most tokens of a completion. Default: ``data.max_length - data.max_prompt_length``."""
    temperature: Annotated[float, Field(gt=0)] = 1.0
    """Sampling temperature."""
    beta: Annotated[float, Field(ge=0)] = 0.0
    """Weight of the KL penalty to the reference model. 0: no penalty, and no reference model is loaded."""
    epsilon: Annotated[float, Field(gt=0)] = 0.2
    """Clip range of the importance ratio below 1."""
    epsilon_high: Annotated[float, Field(gt=0)] | None = None
    """Clip range above 1. Default: ``epsilon``. DAPO's clip-higher sets 0.28 (arXiv 2503.14476)."""
    steps_per_generation: Annotated[int, Field(ge=1)] | None = None
    """Micro-batches that one round of sampling is cut into. Default: ``gradient_accumulation_steps``, which makes one
    optimizer step a round."""
    num_iterations: Annotated[int, Field(ge=1)] = 1
    """Passes over each round of samples (mu in the paper)."""
    importance_sampling_level: Literal["token", "sequence"] = "token"
    """Ratio of each token (GRPO) or of the sequence (GSPO)."""
    loss_type: Literal["grpo", "dr_grpo", "dapo", "bnpo", "cispo", "sapo", "luspo", "vespo"] = "dapo"
    """How token losses are averaged. TRL's default ``dapo``: over all tokens of the global batch."""
    scale_rewards: Literal["group", "batch", "none", True, False] = "group"
    """Divide advantages by the standard deviation within the group, the batch, or not (Dr. GRPO)."""


def completion_length(recipe: Recipe) -> dict[str, Derived]:
    """The longest completion, where the recipe does not name it: what ``data.max_length`` leaves over the prompt."""
    length = recipe.argument("max_completion_length")
    if length is None:
        length = recipe.data.max_length - prompt_limit_of(recipe.data, None)
    return {"max_completion_length": Derived(length, "data.max_length less data.max_prompt_length")}


def prompt_limit_of(data: DataBlock, max_completion_length: int | None) -> int:
    """Most tokens of a prompt in reinforcement learning.

    As given; else what a given completion leaves of ``data.max_length``; else half of it.
    """
    if data.max_prompt_length is not None:
        return data.max_prompt_length
    if max_completion_length is not None:
        return max(data.max_length - max_completion_length, 1)
    return data.max_length // 2


def rewards_of(recipe: Recipe) -> tuple[Reward, ...]:
    """The rewards of the recipe. None given, but an answer column named: exact match with that column."""
    if not recipe.rewards and any(dataset.answer_column for dataset in recipe.data.datasets):
        return (ExactMatchReward(type="exact_match"),)
    return recipe.rewards


ALGORITHM = Algorithm(
    name="grpo",
    summary="group relative policy optimization on rewards",
    settings=GrpoSettings,
    config="GRPOConfig",
    trainer="recipe_engine.runtime.trainers.grpo:RewardedGRPOTrainer",
    shapes=("prompt",),
    derived=completion_length,
    sampling="groups",
    reward_driven=True,
    learning_rates=(1e-8, 1e-4),
)
