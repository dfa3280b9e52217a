"""What a run puts into memory, as far as its recipe says: its models, and the rows that are computed at once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

from recipe_engine.algorithms import algorithm
from recipe_engine.algorithms.base import Algorithm
from recipe_engine.algorithms.batch import round_of
from recipe_engine.parallel.architecture import adapter_weights
from recipe_engine.parallel.precision import precision_of
from recipe_engine.parallel.size import Size, size_of
from recipe_engine.recipe.rewards import PrmReward, RewardModelReward
from recipe_engine.recipe.root import Recipe
from recipe_engine.schemas import trl_arguments

WIDTHS = {"float32": 4, "float16": 2, "bfloat16": 2}

Spread = Literal["as the policy", "whole"]


@dataclass(frozen=True, slots=True)
class Held:
    """A model that a run holds."""

    name: str
    """What it is to the run: ``policy``, ``reference model``, ``critic``, ``teacher``, ``reward model``."""
    size: Size
    width: int
    """Bytes of a weight as it is loaded."""
    trained: int
    """Weights that are trained."""
    trained_width: int
    """Bytes of a trained weight, where nothing is split."""
    base_bytes: float
    """Bytes of all weights as loaded, adapters included, where nothing is split."""
    quantized: bool = False
    spread: Spread = "as the policy"
    """Whether the strategy splits it too, or each GPU has all of it."""
    offloaded: Literal["", "for its turn", "for the step"] = ""
    """Whether it lies in host memory: on the GPU for its own forward alone, or while the policy is computed too."""


@dataclass(frozen=True, slots=True)
class Workload:
    """What memory depends on, beside the strategy."""

    policy: Held
    others: tuple[Held, ...]
    unknown: tuple[str, ...]
    """Models whose size nothing tells, which are left out."""
    mixed: bool
    """Whether training computes in 16 bits (bf16 or fp16)."""
    optim: str
    rows: int
    """Rows that one GPU computes at once."""
    length: int
    """Tokens of the longest row."""
    checkpointing: bool
    eager: bool
    """Whether attention holds a score for each pair of tokens."""
    has_vocabulary_loss: bool
    """Whether training goes through the head over the vocabulary."""
    sampled_rows: int
    """Completions that one GPU samples at once with transformers; 0 where it samples none."""
    vllm_share: float
    """Share of the GPU's memory that vLLM takes in the training process; 0 where it does not run there."""
    vllm_sleeps: bool
    """Whether vLLM gives its memory back while weights are trained."""
    activations_offloaded: bool
    assumptions: tuple[str, ...]
    """What is not known and was taken for granted, as sentences."""


def workload_of(recipe: Recipe, processes: int) -> Workload | None:
    """The workload of a run; none where nothing tells how large the policy is."""
    chosen, model = algorithm(recipe.training.algorithm), recipe.model
    argument = partial(argument_of, recipe, chosen, processes)
    size = size_of(model.base_model_name, model.revision)
    if size is None:
        return None
    assumptions: list[str] = []
    if not size.exact:
        assumptions.append(
            f"the model has {billions(size.parameters)} weights by {size.origin}, and the usual shape of such a model"
        )
    width = WIDTHS[model.torch_dtype] if model.torch_dtype != "auto" else WIDTHS.get(size.shape.dtype or "", 0)
    if width == 0:
        width = 2
        assumptions.append("its weights are saved in 16 bits")
    policy = _policy(recipe, size, width)
    others: list[Held] = []
    unknown: list[str] = []
    for found in _others(recipe, chosen, policy, argument):
        if isinstance(found, Held):
            others.append(found)
        else:
            unknown.append(found)
    groups, vllm = chosen.sampling == "groups", bool(argument("use_vllm")) if chosen.takes("use_vllm") else False
    pairs = any(shape.startswith("preference") for shape in chosen.shapes)
    own_process = vllm and argument("vllm_mode") == "colocate"
    return Workload(
        policy=policy,
        others=tuple(others),
        unknown=tuple(unknown),
        mixed=precision_of(recipe) is not None,
        optim=str(argument("optim")),
        rows=argument("per_device_train_batch_size") * (2 if pairs else 1),
        length=recipe.data.max_length,
        checkpointing=bool(argument("gradient_checkpointing") or argument("activation_checkpointing")),
        eager=model.attn_implementation == "eager",
        has_vocabulary_loss=chosen.task == "causal_lm" and chosen.name != "process_reward",
        sampled_rows=round_of(argument, processes).completions // processes if groups and not vllm else 0,
        vllm_share=float(argument("vllm_gpu_memory_utilization")) if own_process else 0.0,
        vllm_sleeps=own_process and bool(argument("vllm_enable_sleep_mode")),
        activations_offloaded=chosen.takes("activation_offloading") and bool(argument("activation_offloading")),
        assumptions=tuple(assumptions),
    )


def argument_of(recipe: Recipe, chosen: Algorithm, processes: int, name: str) -> Any:
    """The value that training will use for a key of ``training``: as it follows from sizes, as given, else TRL's."""
    sizes = chosen.sizes(recipe, processes)
    if name in sizes:
        return sizes[name].value
    if name in type(recipe.settings).model_fields or name in recipe.arguments:
        return recipe.argument(name)
    return trl_arguments(chosen.config)[name]["default"]


def billions(parameters: int) -> str:
    """A number of weights for people: ``8.0B``, ``135M``."""
    return f"{parameters / 1e9:.1f}B" if parameters >= 1e9 else f"{parameters / 1e6:.3g}M"


def _policy(recipe: Recipe, size: Size, width: int) -> Held:
    model, shape = recipe.model, size.shape
    quantized = model.load_in_4bit or model.load_in_8bit
    base = float(size.parameters * width)
    if quantized:
        # Linear layers are quantized; embeddings, head and norms are not.
        kept = min(shape.head_weights, size.parameters)
        base = (size.parameters - kept) * _quantized_bytes(recipe) + kept * width
    if not model.use_lora:
        return Held("policy", size, width, size.parameters, width, base, quantized)
    whole = [name for name in model.lora_modules_to_save or () if name in {"embed_tokens", "lm_head"}]
    adapters = adapter_weights(shape, model.lora_r, model.lora_target_modules)
    adapters += len(whole) * shape.vocabulary * shape.hidden
    # PEFT makes adapters in float32; over a quantized base TRL turns them into bfloat16.
    adapter_width = 2 if quantized else 4
    return Held("policy", size, width, adapters, adapter_width, base + adapters * adapter_width, quantized)


def _quantized_bytes(recipe: Recipe) -> float:
    """Bytes of a quantized weight: QLoRA (arXiv 2305.14314), section 3, with blocks of 64 and of 256 constants."""
    if recipe.model.load_in_8bit:
        return 1.0
    constants = 1 / 64 + 4 / (64 * 256) if recipe.model.bnb_4bit_use_double_quant else 4 / 64
    return 0.5 + constants


def _others(recipe: Recipe, chosen: Algorithm, policy: Held, argument: Any) -> Iterator[Held | str]:
    """The models beside the policy; a name where nothing tells a model's size."""
    settings = recipe.settings
    setting = partial(getattr, settings)
    named = chosen.models_named({name: getattr(settings, name) for name in chosen.models})
    if _needs_reference(recipe, chosen, argument):
        name = named.get("ref_model_name")
        size = policy.size if name is None else size_of(name, setting("ref_model_revision", None))
        offloaded: Any = "for its turn" if setting("ref_offload", False) else ""
        quantized_bytes = policy.base_bytes if policy.quantized and name is None else None
        yield _frozen("reference model", name, size, policy.width, offloaded=offloaded, held_bytes=quantized_bytes)
    if chosen.name == "ppo":
        name = named.get("critic_init")
        size = policy.size if name is None else size_of(name)
        yield _trained("critic", name, size, policy.width, all_weights=setting("critic_trained", "all") == "all")
    if chosen.name == "prime":
        yield _trained("implicit reward model", None, policy.size, policy.width, all_weights=True)
    if "teacher_model" in named:
        name = named["teacher_model"]
        size = size_of(name, setting("teacher_revision", None))
        dtype = setting("teacher_torch_dtype", "auto")
        width = WIDTHS[dtype] if dtype != "auto" else WIDTHS.get((size.shape.dtype if size else None) or "", 2)
        offloaded = "for the step" if setting("teacher_offload", False) else ""
        yield _frozen("teacher", name, size, width, offloaded=offloaded)
    for reward in recipe.rewards:
        if isinstance(reward, RewardModelReward | PrmReward):
            size, width = size_of(reward.model, reward.revision), WIDTHS[reward.torch_dtype]
            yield _frozen(f"reward {reward.label}", reward.model, size, width, spread="whole")


def _needs_reference(recipe: Recipe, chosen: Algorithm, argument: Any) -> bool:
    """Whether a model that is not trained is held beside the policy. With adapters, these are switched off instead."""
    settings = recipe.settings
    if chosen.name == "prime":
        return not recipe.model.use_lora
    if getattr(settings, "ref_model_name", None) is not None:
        return not getattr(settings, "precompute_ref_log_probs", False)
    if recipe.model.use_lora or getattr(settings, "precompute_ref_log_probs", False):
        return False
    if chosen.name in {"dpo", "kto", "online_dpo"}:
        return True
    # The beta of distillation is no weight of a penalty.
    return chosen.sampling == "groups" and chosen.reward_driven and bool(getattr(settings, "beta", 0))


def _frozen(
    what: str,
    name: str | None,
    size: Size | None,
    width: int,
    *,
    spread: Spread = "as the policy",
    offloaded: Any = "",
    held_bytes: float | None = None,
) -> Held | str:
    if size is None:
        return f"{what} {name}"
    held = float(size.parameters * width) if held_bytes is None else held_bytes
    return Held(what, size, width, 0, width, held, held_bytes is not None, spread, offloaded)


def _trained(what: str, name: str | None, size: Size | None, width: int, *, all_weights: bool) -> Held | str:
    if size is None:
        return f"{what} {name}"
    trained = size.parameters if all_weights else size.shape.hidden
    return Held(what, size, width, trained, width, float(size.parameters * width))
