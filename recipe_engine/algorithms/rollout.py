"""Settings of every algorithm that samples rounds of completions and is rewarded for them, and the sizes of a round."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field

from recipe_engine.algorithms.base import Derived
from recipe_engine.recipe.base import Block
from recipe_engine.recipe.root import Recipe
from recipe_engine.schemas import trl_arguments

KlType = Literal["k1", "k2", "k3", "abs"]


class EvaluationSampling(Block):
    """How completions are sampled in evaluation, where not as in training."""

    eval_temperature: Annotated[float, Field(ge=0)] | None = None
    """Sampling temperature of evaluation. 0: the most likely token each time. Default: ``temperature``."""
    eval_top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    """Nucleus of evaluation: the smallest set of tokens that has this probability. Default: ``top_p``."""
    eval_top_k: Annotated[int, Field(ge=0)] | None = None
    """Number of most likely tokens that evaluation samples from; 0: all. Default: ``top_k``."""


class RolloutSettings(EvaluationSampling):
    """Settings of sampling, of the size of a round, of clipping and of the penalty to the reference model."""

    learning_rate: Annotated[float, Field(gt=0)] = 1e-6
    """Peak learning rate of AdamW."""

    num_generations: Annotated[int, Field(ge=1)] = 8
    """Completions sampled for each prompt: the size of a group."""
    max_completion_length: Annotated[int, Field(ge=1)] | None = None
    """Most tokens of a completion. Default: ``data.max_length - data.max_prompt_length``."""
    temperature: Annotated[float, Field(gt=0)] = 1.0
    """Sampling temperature."""

    prompts_per_rollout: Annotated[int, Field(ge=1)] | None = None
    """Prompts of one round of sampling, over all processes (verl's ``train_batch_size``). ``steps_per_generation``
    follows from it. Default: as many as an update takes."""
    prompts_per_update: Annotated[int, Field(ge=1)] | None = None
    """Prompts of one optimizer step, over all processes (verl's ``ppo_mini_batch_size``): it takes all completions of
    each. ``gradient_accumulation_steps`` follows from it. Default: ``prompts_per_rollout``."""
    steps_per_generation: Annotated[int, Field(ge=1)] | None = None
    """Micro-batches that one round of sampling is cut into. Default: ``gradient_accumulation_steps``, which makes one
    optimizer step a round."""
    num_iterations: Annotated[int, Field(ge=1)] = 1
    """Passes over each round of samples (mu in the GRPO paper)."""

    epsilon: Annotated[float, Field(gt=0)] = 0.2
    """Clip range of the importance ratio below 1."""
    epsilon_high: Annotated[float, Field(gt=0)] | None = None
    """Clip range above 1. Default: ``epsilon``. DAPO's clip-higher sets 0.28 (arXiv 2503.14476). Under ``loss_type:
    cispo`` it is the largest weight itself, not its distance from 1."""

    beta: Annotated[float, Field(ge=0)] = 0.0
    """Weight of the KL penalty to the reference model. 0: no penalty, and no reference model is loaded."""
    kl_in_reward: bool = False
    """Where the penalty acts: subtracted from the reward of each token, or added to the loss."""
    kl_type: KlType | None = None
    """How the divergence of a token is estimated from r = log pi - log pi_ref: ``k1``: r; ``k2``: r^2 / 2; ``k3``:
    exp(-r) + r - 1, ``abs``: |r|. Default: ``k3`` in the loss, ``k1`` in the reward."""
    use_bias_correction_kl: bool | None = None
    """Weight the penalty of the loss by the importance ratio, which makes the gradient of ``k1`` and ``k3`` that of the
    reverse KL divergence (arXiv 2512.02556). Default: true for these two where ratios are of tokens, else false."""


def kl_type_of(settings: RolloutSettings) -> KlType:
    """The estimator of the divergence, its default included."""
    return settings.kl_type or ("k1" if settings.kl_in_reward else "k3")


def bias_correction_of(recipe: Recipe) -> bool:
    """Whether the penalty of the loss is weighted by the importance ratio, its default included."""
    given: bool | None = recipe.argument("use_bias_correction_kl")
    if given is not None:
        return given
    settings = recipe.settings
    if not isinstance(settings, RolloutSettings):
        raise TypeError(f"{recipe.training.algorithm} does not sample rounds")
    # k2's own gradient is unbiased already. The ratio of a sequence is no weight of its tokens' divergences.
    of_tokens = recipe.argument("importance_sampling_level", "token") == "token"
    return kl_type_of(settings) in {"k1", "k3"} and of_tokens and not settings.kl_in_reward


def sizes_of(recipe: Recipe, processes: int) -> Mapping[str, Derived]:
    """Batch arguments that follow from sizes in prompts. What does not divide is rounded down: lint refuses it (L380).

    A prompt stands for its ``num_generations`` completions; a micro-batch is ``per_device_train_batch_size`` of them
    on each process.
    """
    rollout, update = recipe.argument("prompts_per_rollout"), recipe.argument("prompts_per_update")
    if rollout is None and update is None:
        return {}
    micro_batch = max(_argument(recipe, "per_device_train_batch_size") * processes, 1)
    group = recipe.argument("num_generations")
    sizes: dict[str, Derived] = {}

    def put(name: str, prompts: int, setting: str) -> None:
        sizes[name] = Derived(max(prompts * group // micro_batch, 1), f"training.{setting}")

    if update is not None or "gradient_accumulation_steps" not in recipe.arguments:
        setting = "prompts_per_rollout" if update is None else "prompts_per_update"
        put("gradient_accumulation_steps", update or rollout, setting)
    if rollout is not None:
        put("steps_per_generation", rollout, "prompts_per_rollout")
    return sizes


def _argument(recipe: Recipe, name: str) -> Any:
    return recipe.argument(name, trl_arguments("GRPOConfig")[name]["default"])
