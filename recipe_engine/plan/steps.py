"""How long a run is: optimizer steps and warmup, as transformers and TRL count them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import Any

from recipe_engine.algorithms import algorithm
from recipe_engine.algorithms.batch import micro_batches_of
from recipe_engine.compiled import CompiledRun
from recipe_engine.data.mixture import is_random
from recipe_engine.schemas import trl_arguments


@dataclass(frozen=True, slots=True)
class Steps:
    """Optimizer steps of a run. ``total`` and ``warmup`` are none where the number of rows is not known."""

    total: int | None
    warmup: int | None
    exact: bool
    """Whether nothing that is known only in training (packing, overlong rows, random mixing) can change ``total``."""


def argument_of(run: CompiledRun, name: str) -> Any:
    """The value that TRL will use for an argument: as compiled, else TRL's default."""
    return run.arguments[name] if name in run.arguments else trl_arguments(run.config)[name]["default"]


def steps_of(run: CompiledRun, rows: int | None) -> Steps:
    """The steps of a training on ``rows`` rows (mixed, before overlong ones are dropped)."""
    given: int = argument_of(run, "max_steps")
    unknown = given if given > 0 else None
    total = unknown if rows is None else _steps_of_rows(run, rows, given)
    warmup = warmup_steps_of(run, total) if total is not None else None
    return Steps(total, warmup, exact=given > 0 or not _may_shrink(run))


def _steps_of_rows(run: CompiledRun, rows: int, given: int) -> int:
    chosen = algorithm(run.algorithm)
    argument = partial(argument_of, run)
    micro_batches = micro_batches_of(argument, run.processes, chosen.reward_driven, rows)
    if micro_batches == 0:
        return 0
    if given > 0:
        return given
    per_epoch = math.ceil(micro_batches / argument("gradient_accumulation_steps"))
    epochs: float = argument("num_train_epochs")
    return math.ceil(epochs * per_epoch)


def warmup_steps_of(run: CompiledRun, steps: int) -> int:
    """Steps of warmup: ``warmup_steps`` from 1 on is a count, below 1 a share of all steps."""
    value: float = argument_of(run, "warmup_steps")
    return math.floor(value) if value >= 1 else math.ceil(steps * value)


def drops_overlong_rows(run: CompiledRun) -> bool:
    """Whether rows over a length limit are left out, so that fewer are trained on than were read."""
    overlong = run.data.overlong_rows
    if overlong is None:
        strategy = run.arguments.get("packing_strategy") if run.arguments.get("packing") else None
        return strategy not in {"bfd_split", "wrapped"}
    # A cut may take every trained token of a row, which is then dropped; a prompt is only ever shortened.
    return overlong == "drop" or (overlong != "error" and not algorithm(run.algorithm).reward_driven)


def _may_shrink(run: CompiledRun) -> bool:
    packed = bool(argument_of(run, "packing")) if "packing" in trl_arguments(run.config) else False
    return packed or is_random(run.data.datasets, run.data) or drops_overlong_rows(run)
