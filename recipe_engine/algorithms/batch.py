"""Batch arithmetic as transformers and TRL do it: micro-batches, rounds of sampling, and the rows that one needs."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Argument = Callable[[str], Any]
"""Gives the value that training will use for an argument of the TRL config, by name."""


@dataclass(frozen=True, slots=True)
class Batch:
    """How many rows go into one optimizer step."""

    per_device: int
    accumulation: int
    processes: int

    @property
    def micro(self) -> int:
        """Rows of one micro-batch, over all processes."""
        return self.per_device * self.processes

    @property
    def effective(self) -> int:
        """Rows of one optimizer step (for reinforcement learning, completions)."""
        return self.micro * self.accumulation


@dataclass(frozen=True, slots=True)
class Round:
    """One round of sampling in reinforcement learning."""

    group: int
    """Completions of each prompt."""
    completions: int
    """Completions sampled in one round, over all processes."""
    micro_batches: int
    """Micro-batches that a round is cut into."""
    passes: int
    """Times that each round is trained on."""

    @property
    def prompts(self) -> int:
        """Different prompts of one round."""
        return self.completions // self.group


def batch_of(argument: Argument, processes: int) -> Batch:
    """The batch of a run."""
    return Batch(argument("per_device_train_batch_size"), argument("gradient_accumulation_steps"), processes)


def round_of(argument: Argument, processes: int) -> Round:
    """The round of sampling of a run that samples groups, as ``GRPOConfig`` works it out."""
    batch = batch_of(argument, processes)
    completions = argument("generation_batch_size")
    if completions is None:
        micro_batches = argument("steps_per_generation") or batch.accumulation
        completions = batch.micro * micro_batches
    else:
        micro_batches = completions // batch.micro
    return Round(argument("num_generations"), completions, micro_batches, argument("num_iterations"))


def rows_needed(argument: Argument, processes: int, groups: bool) -> int:
    """The fewest rows that make one micro-batch; with fewer, TRL trains for no step and reports success.

    ``groups`` says whether the algorithm samples in groups: then a whole round of prompts is needed.
    """
    if groups:
        return round_of(argument, processes).prompts
    return batch_of(argument, processes).micro if argument("dataloader_drop_last") else 1


def micro_batches_of(argument: Argument, processes: int, groups: bool, rows: int) -> int:
    """Micro-batches of one pass over ``rows`` rows, as each process counts them."""
    if groups:
        sampling = round_of(argument, processes)
        rounds = rows // sampling.prompts if sampling.prompts else 0
        return rounds * sampling.micro_batches * sampling.passes
    exact = rows / batch_of(argument, processes).micro
    return math.floor(exact) if argument("dataloader_drop_last") else math.ceil(exact)
