"""Batch arithmetic: rows, completions, micro-batches and optimizer steps."""

from __future__ import annotations

import math
from dataclasses import dataclass

from recipe_engine.compiled import CompiledRun
from recipe_engine.schemas import trl_arguments


@dataclass(frozen=True, slots=True)
class Batch:
    """How many rows go into one optimizer step."""

    per_device: int
    accumulation: int
    processes: int

    @property
    def effective(self) -> int:
        """Rows of one optimizer step (for reinforcement learning, completions)."""
        return self.per_device * self.accumulation * self.processes


@dataclass(frozen=True, slots=True)
class Generation:
    """One round of sampling in reinforcement learning."""

    group: int
    """Completions of each prompt."""
    completions: int
    """Completions sampled in one round, over all processes."""
    steps: int
    """Micro-batches that a round is cut into."""
    iterations: int
    """Passes over each round."""

    @property
    def prompts(self) -> int:
        """Different prompts of one round."""
        return self.completions // self.group


def argument(run: CompiledRun, name: str) -> object:
    """The value that TRL will use: as compiled, else TRL's default."""
    if name in run.arguments:
        return run.arguments[name]
    return trl_arguments(run.config)[name]["default"]


def _number(run: CompiledRun, name: str) -> int:
    value = argument(run, name)
    if not isinstance(value, int | float):
        raise TypeError(f"{name} is {value!r}, not a number")
    return int(value)


def batch_of(run: CompiledRun) -> Batch:
    """The batch of a compiled run."""
    return Batch(
        _number(run, "per_device_train_batch_size"), _number(run, "gradient_accumulation_steps"), run.processes
    )


def generation_of(run: CompiledRun) -> Generation | None:
    """The sampling round of a compiled run, as TRL's GRPOConfig works it out; none without sampling."""
    if "num_generations" not in trl_arguments(run.config):
        return None
    batch = batch_of(run)
    steps = argument(run, "steps_per_generation")
    completions = argument(run, "generation_batch_size")
    micro_batch = batch.per_device * batch.processes
    if isinstance(completions, int):
        steps = completions // micro_batch
    else:
        steps = steps if isinstance(steps, int) else batch.accumulation
        completions = micro_batch * steps
    return Generation(_number(run, "num_generations"), completions, steps, _number(run, "num_iterations"))


def steps_of(run: CompiledRun, rows: int) -> int:
    """Optimizer steps of a whole training on ``rows`` rows, as transformers and TRL count them.

    Packing makes fewer sequences than rows, so there this is an upper bound.
    """
    batch, generation = batch_of(run), generation_of(run)
    max_steps = _number(run, "max_steps")
    if generation is not None:
        micro_batches = (
            rows // generation.prompts * generation.steps * generation.iterations if generation.prompts else 0
        )
    else:
        exact = rows / (batch.per_device * batch.processes)
        micro_batches = math.floor(exact) if argument(run, "dataloader_drop_last") else math.ceil(exact)
    if micro_batches == 0:
        return 0
    if max_steps > 0:
        return max_steps
    epochs = argument(run, "num_train_epochs")
    per_epoch = max(math.ceil(micro_batches / batch.accumulation), 1)
    return math.ceil(float(epochs) * per_epoch) if isinstance(epochs, int | float) else 0


def warmup_steps_of(run: CompiledRun, steps: int) -> int:
    """Steps of warmup: ``warmup_steps`` from 1 on is a count, below 1 a share of all steps."""
    value = argument(run, "warmup_steps")
    if not isinstance(value, int | float):
        return 0
    return int(value) if value >= 1 else math.ceil(steps * value)
