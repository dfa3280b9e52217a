"""How long a run is: optimizer steps and warmup, as transformers and TRL count them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

from recipe_engine.algorithms import algorithm
from recipe_engine.algorithms.batch import micro_batches_of
from recipe_engine.compiled import CompiledRun
from recipe_engine.data.mixture import is_random
from recipe_engine.schemas import trl_arguments

Certainty = Literal["exact", "at most", "about"]


@dataclass(frozen=True, slots=True)
class Steps:
    """Optimizer steps of a run. ``total`` and ``warmup`` are none where only training can tell."""

    total: int | None
    warmup: int | None
    certainty: Certainty
    """``at most`` where packing, or dropping overlong rows, can make them fewer; ``about`` where rows are drawn."""


def argument_of(run: CompiledRun, name: str) -> Any:
    """The value that TRL will use for an argument: as compiled, else TRL's default."""
    return run.arguments[name] if name in run.arguments else trl_arguments(run.config)[name]["default"]


def steps_of(run: CompiledRun, rows: int | None) -> Steps:
    """The steps of a training on ``rows`` rows (mixed, before overlong ones are dropped)."""
    total = _total(run, rows)
    return Steps(total, None if total is None else warmup_steps_of(run, total), _certainty(run))


def _total(run: CompiledRun, rows: int | None) -> int | None:
    argument = partial(argument_of, run)
    given: int = argument("max_steps")
    if rows is None or splits_rows(run):
        return given if given > 0 else None
    groups = algorithm(run.algorithm).sampling == "groups"
    micro_batches = micro_batches_of(argument, run.processes, groups, rows)
    if micro_batches == 0 or given > 0:
        return given if micro_batches else 0
    accumulation: int = argument("gradient_accumulation_steps")
    per_epoch = math.ceil(micro_batches / accumulation)
    epochs: float = argument("num_train_epochs")
    return math.ceil(epochs * per_epoch)


def _certainty(run: CompiledRun) -> Certainty:
    if argument_of(run, "max_steps") > 0:
        return "exact"
    if is_random(run.data.datasets, run.data):
        return "about"
    return "at most" if run.arguments.get("packing") or drops_overlong_rows(run) else "exact"


def warmup_steps_of(run: CompiledRun, steps: int) -> int:
    """Steps of warmup: ``warmup_steps`` from 1 on is a count, below 1 a share of all steps."""
    value: float = argument_of(run, "warmup_steps")
    return math.floor(value) if value >= 1 else math.ceil(steps * value)


def splits_rows(run: CompiledRun) -> bool:
    """Whether packing splits long rows, so that there may be more sequences than rows."""
    strategy = run.arguments.get("packing_strategy") if run.arguments.get("packing") else None
    return strategy in {"bfd_split", "wrapped"}


def drops_overlong_rows(run: CompiledRun) -> bool:
    """Whether rows over a length limit are left out, so that fewer are trained on than were read."""
    overlong = run.data.overlong_rows
    if overlong is None:
        return not splits_rows(run)
    # A cut may take every trained token of a row, which is then dropped; a prompt is only ever shortened.
    return overlong == "drop" or (overlong != "error" and algorithm(run.algorithm).sampling == "none")
