"""Which strategy a run takes, and why."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from recipe_engine.parallel.deepspeed_file import absence_of, read_deepspeed_config, stage_of, value_at
from recipe_engine.parallel.memory import GIB, Memory, Placement, memory_of
from recipe_engine.parallel.workload import Workload, billions, workload_of
from recipe_engine.recipe.launch import Strategy
from recipe_engine.recipe.root import Recipe

_STAGES: dict[int, Strategy] = {1: "zero1", 2: "zero2", 3: "zero3"}


@dataclass(frozen=True, slots=True)
class Choice:
    """A strategy, what it keeps in host memory, and the reason that `recipe plan` gives for it."""

    strategy: Strategy
    why: str
    offload_optimizer: bool = False
    offload_parameters: bool = False
    work: Workload | None = None
    """What is held; none where nothing tells how large the model is."""
    memory: Memory | None = None
    """What one GPU holds; none on the CPU, and where that is not known."""

    def placement(self, processes: int) -> Placement:
        """Where that puts what is held."""
        return Placement(self.strategy, processes, self.offload_optimizer, self.offload_parameters)


def choose(recipe: Recipe, gpus: int, processes: int) -> Choice:
    """The strategy of a run on ``gpus`` GPUs a machine (0: the CPU) and ``processes`` processes in all.

    Raises:
        ValueError: a DeepSpeed file that the recipe names asks for no stage. Lint has refused such a recipe.
    """
    work = workload_of(recipe, processes)
    choice = _choice(recipe, gpus, processes, work)
    if gpus == 0 or work is None:
        return replace(choice, work=work)
    return replace(choice, work=work, memory=memory_of(work, choice.placement(processes), recipe.launch.gpu_memory_gib))


def _choice(recipe: Recipe, gpus: int, processes: int, work: Workload | None) -> Choice:
    launch, asked = recipe.launch, recipe.launch.strategy
    if recipe.training.deepspeed_config is not None:
        return _of_file(recipe.training.deepspeed_config, alone=processes == 1 and gpus == 0)
    if asked == "auto":
        return _automatic(recipe, gpus, processes, work)
    if processes == 1 and asked != "single" and (gpus == 0 or not asked.startswith("zero")):
        return Choice("single", f"one process has nothing to share: {asked} is for several")
    return Choice(asked, "as launch.strategy says", launch.offload_optimizer, launch.offload_parameters)


def _of_file(file: str, *, alone: bool) -> Choice:
    """The strategy that a DeepSpeed file describes."""
    if alone:
        return Choice("single", "one CPU process has nothing to share: training.deepspeed_config is for several")
    stage = stage_of(file)
    if stage not in _STAGES:
        raise ValueError(f"training.deepspeed_config: {absence_of(file) or f'{file} asks for no ZeRO stage'}")
    zero = (read_deepspeed_config(file) or {}).get("zero_optimization", {})
    optimizer, parameters = (
        value_at(zero, (part, "device")) in {"cpu", "nvme"} for part in ("offload_optimizer", "offload_param")
    )
    return Choice(_STAGES[stage], f"training.deepspeed_config: {file} asks for stage {stage}", optimizer, parameters)


def _automatic(recipe: Recipe, gpus: int, processes: int, work: Workload | None) -> Choice:
    launch = recipe.launch
    plain: Strategy = "single" if processes == 1 else "ddp"
    if gpus == 0:
        why = "one process" if processes == 1 else "on the CPU each process holds the model"
        return Choice(plain, why)
    if work is None:
        asked = next(_candidates(recipe, processes))
        return replace(asked, why=f"the size of {recipe.model.base_model_name} is not known, so nothing says what fits")
    size, room = billions(work.policy.size.parameters), launch.gpu_memory_gib
    tried: list[tuple[Choice, float]] = []
    for candidate in _candidates(recipe, processes, samples=work.sampled_rows > 0):
        memory = memory_of(work, candidate.placement(processes), room)
        needed = memory.device / GIB
        if needed <= room:
            return replace(candidate, why=_why(candidate, needed, memory.host / GIB, tried, room, size))
        tried.append((candidate, needed))
    least, needed = min(tried, key=lambda one: one[1])
    why = f"nothing fits: {_named(least)} needs least, about {needed:.0f} of {room:g} GiB a GPU for {size} weights"
    return replace(least, why=why)


def _candidates(recipe: Recipe, processes: int, *, samples: bool = False) -> Iterator[Choice]:
    """What ``auto`` considers, from the fastest on: first what moves no weights, last what lies in host memory.

    FSDP2 comes before ZeRO-3, which splits as much: it needs no package beside torch. Where completions are sampled
    without vLLM it comes after: DeepSpeed gathers all weights once for a round, FSDP2 each layer for every token. What
    is offloaded is left to DeepSpeed, whose optimizer for the CPU is the faster one. Neither splits quantized weights.
    """
    launch = recipe.launch
    quantized = recipe.model.load_in_4bit or recipe.model.load_in_8bit
    found = [Choice("single" if processes == 1 else "ddp", "")]
    if not quantized:
        if processes == 1:
            found.append(Choice("zero2", "", offload_optimizer=True))
        elif samples:
            found += [Choice("zero2", ""), Choice("zero3", ""), Choice("fsdp2", "")]
        else:
            found += [Choice("fsdp2", ""), Choice("zero3", "")]
        found.append(Choice("zero3", "", offload_optimizer=True))
        found.append(Choice("zero3", "", offload_optimizer=True, offload_parameters=True))
    if recipe.argument("ref_offload"):  # which moves whole weights itself
        found = found[:1]
    if recipe.argument("teacher_offload"):
        found = [choice for choice in found if choice.strategy != "zero3"]
    asked = [
        choice
        for choice in found
        if choice.offload_optimizer >= launch.offload_optimizer
        and choice.offload_parameters >= launch.offload_parameters
    ]
    yield from asked or found[:1]


def _why(choice: Choice, needed: float, host: float, tried: list[tuple[Choice, float]], room: float, size: str) -> str:
    fits = f"{_named(choice)} fits: about {needed:.0f} of {room:g} GiB a GPU for {size} weights"
    if host:
        fits += f", and {host:.0f} GiB of the machine's memory for each GPU"
    before = ", ".join(f"{_named(one)} would need {gib:.0f}" for one, gib in tried)
    return f"{fits}; {before}" if before else fits


def _named(choice: Choice) -> str:
    parts = [
        name for name, on in (("optimizer", choice.offload_optimizer), ("weights", choice.offload_parameters)) if on
    ]
    return f"{choice.strategy} with {' and '.join(parts)} in host memory" if parts else choice.strategy
