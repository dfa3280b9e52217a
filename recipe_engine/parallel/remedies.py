"""What to lower where a run does not fit, in the order in which it costs the least."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from recipe_engine.algorithms import algorithm
from recipe_engine.parallel.memory import GIB, Placement, memory_of
from recipe_engine.parallel.workload import argument_of, workload_of
from recipe_engine.recipe.launch import Strategy
from recipe_engine.recipe.root import Recipe


def remedies(recipe: Recipe, place: Placement) -> Iterator[str]:
    """Changes of the recipe that lower what a GPU holds by more than a twentieth, each with what it would hold then."""
    now = _needed(recipe, place)
    if now is None:
        return
    for what, changed, then in _changes(recipe, place):
        needed = _needed(changed, then)
        if needed is not None and needed < 0.95 * now:
            yield f"{what}: {needed / GIB:.0f} GiB"


def _changes(recipe: Recipe, place: Placement) -> Iterator[tuple[str, Recipe, Placement]]:
    chosen, processes = algorithm(recipe.training.algorithm), place.processes

    def argument(name: str) -> Any:
        return argument_of(recipe, chosen, processes, name)

    batch, accumulation = argument("per_device_train_batch_size"), argument("gradient_accumulation_steps")
    if batch > 1:
        smaller = {"per_device_train_batch_size": 1, "gradient_accumulation_steps": batch * accumulation}
        what = f"per_device_train_batch_size: 1 with gradient_accumulation_steps: {batch * accumulation}"
        yield what, _with(recipe, **smaller), place
    if chosen.takes("use_vllm") and argument("use_vllm") and not argument("vllm_enable_sleep_mode"):
        yield "vllm_enable_sleep_mode: true", _with(recipe, vllm_enable_sleep_mode=True), place
    if not argument("gradient_checkpointing"):
        yield "gradient_checkpointing: true", _with(recipe, gradient_checkpointing=True), place
    shorter = recipe.data.max_length // 2
    data = recipe.data.model_copy(update={"max_length": shorter})
    yield f"data.max_length: {shorter}", replace(recipe, data=data), place
    if not recipe.model.use_lora:
        model = recipe.model.model_copy(update={"use_lora": True})
        yield "model.use_lora: true", replace(recipe, model=model), place
    quantized = recipe.model.load_in_4bit or recipe.model.load_in_8bit
    for then in () if quantized else _placements(place):
        if then != place:
            parts = [f"launch.strategy: {then.strategy}"]
            parts += ["offload_optimizer: true"] if then.offload_optimizer else []
            parts += ["offload_parameters: true"] if then.offload_parameters else []
            yield ", ".join(parts), recipe, then
    if place.strategy not in {"single", "ddp"}:
        yield "twice as many GPUs", recipe, replace(place, processes=2 * processes)


def _placements(place: Placement) -> Iterator[Placement]:
    several: tuple[Strategy, ...] = ("fsdp2", "zero3") if place.processes > 1 else ()
    yield from (Placement(strategy, place.processes) for strategy in several)
    yield Placement("zero3", place.processes, offload_optimizer=True)
    yield Placement("zero3", place.processes, offload_optimizer=True, offload_parameters=True)


def _with(recipe: Recipe, **arguments: Any) -> Recipe:
    """The recipe with other values of keys of ``training``."""
    own = {name: value for name, value in arguments.items() if name in type(recipe.settings).model_fields}
    others = {name: value for name, value in arguments.items() if name not in own}
    settings = recipe.settings.model_copy(update=own)
    return replace(recipe, settings=settings, arguments={**recipe.arguments, **others})


def _needed(recipe: Recipe, place: Placement) -> float | None:
    work = workload_of(recipe, place.processes)
    return None if work is None else memory_of(work, place, recipe.launch.gpu_memory_gib).device
