"""Group Relative Policy Optimization (arXiv 2402.03300): sampled groups, rewards relative to the group."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from recipe_engine.algorithms.base import Algorithm, Derived
from recipe_engine.algorithms.rollout import RolloutSettings, bias_correction_of, sizes_of
from recipe_engine.recipe.data import DataBlock
from recipe_engine.recipe.rewards import ExactMatchReward, Reward
from recipe_engine.recipe.root import Recipe

AdvantageEstimator = Literal[
    "group", "rloo", "opo", "gpg", "remax", "reinforce_plus_plus", "reinforce_plus_plus_baseline"
]
LossType = Literal["grpo", "dr_grpo", "dapo", "bnpo", "cispo", "sapo", "luspo", "vespo"]


class GrpoSettings(RolloutSettings):
    """Settings of group relative policy optimization, and of the estimators that differ from it in the advantage."""

    advantage_estimator: AdvantageEstimator = "group"
    """What a completion's reward is compared with. ``group``: the mean of its group, in units of ``scale_rewards``;
    the others bear the names of the algorithms that they belong to."""
    scale_rewards: Literal["group", "batch", "none", True, False] = "group"
    """Divide advantages by the standard deviation within the group, the batch, or not (Dr. GRPO)."""
    gamma: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Discount from token to token. Read by the estimators that give each token an advantage of its own
    (``reinforce_plus_plus``, ``remax``)."""

    importance_sampling: bool = True
    """Weight tokens by their importance ratio to the policy that sampled them, and clip it. false: the plain policy
    gradient, -advantage x log pi."""
    importance_sampling_level: Literal["token", "sequence"] = "token"
    """Ratio of each token (GRPO) or of the sequence (GSPO)."""
    loss_type: LossType = "dapo"
    """How token losses are averaged. TRL's default ``dapo``: over all tokens of the global batch."""

    dynamic_sampling: bool = False
    """Draw other prompts in place of those whose completions were all given the same reward, until every group of the
    round has spread (DAPO, arXiv 2503.14476)."""
    max_sampling_rounds: Annotated[int, Field(ge=2)] = 10
    """Most times that a round is sampled under ``dynamic_sampling``, the first one included."""
    unfilled_rounds: Literal["keep", "error"] = "keep"
    """What happens to a round that still has groups without spread after ``max_sampling_rounds``: train on it as it is
    (those groups teach nothing; they are counted in ``sampling/unfilled_groups``), or stop."""


def completion_length(recipe: Recipe) -> dict[str, Derived]:
    """The longest completion, where the recipe does not name it: what ``data.max_length`` leaves over the prompt."""
    length = recipe.argument("max_completion_length")
    if length is None:
        length = recipe.data.max_length - prompt_limit_of(recipe.data, None)
    return {"max_completion_length": Derived(length, "data.max_length less data.max_prompt_length")}


def derived_arguments(recipe: Recipe) -> dict[str, Derived]:
    """What other blocks and settings say of the trainer's arguments."""
    corrected = Derived(bias_correction_of(recipe), "training.kl_type and importance_sampling_level")
    return {**completion_length(recipe), "use_bias_correction_kl": corrected}


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


def group_algorithm(name: str, summary: str, settings: type[GrpoSettings]) -> Algorithm:
    """An algorithm that is GRPO but for its settings."""
    return Algorithm(
        name=name,
        summary=summary,
        settings=settings,
        config="GRPOConfig",
        config_class="recipe_engine.runtime.trainers.sampling:SamplingConfig",
        trainer="recipe_engine.runtime.trainers.grpo:RewardedGRPOTrainer",
        shapes=("prompt",),
        derived=derived_arguments,
        sizes=sizes_of,
        sampling="groups",
        reward_driven=True,
        learning_rates=(1e-8, 1e-4),
    )


ALGORITHM = group_algorithm("grpo", "group relative policy optimization on rewards", GrpoSettings)
