"""How much of the disk a run needs at once."""

from __future__ import annotations

import math

from recipe_engine.compiled import CompiledRun
from recipe_engine.plan.steps import argument_of


def checkpoints_at_once(run: CompiledRun, steps: int | None) -> int | None:
    """Checkpoints that lie on the disk at once; none where that is not known. ``steps`` are those of the whole run.

    The oldest is removed after the newest is whole, so that there is one more than ``save_total_limit``.
    """
    if argument_of(run, "save_strategy") == "no":
        return 0
    made = _made(run, steps)
    limit: int | None = argument_of(run, "save_total_limit")
    if limit is None:
        return made
    return limit + 1 if made is None else min(limit + 1, made)


def disk_needed(run: CompiledRun, steps: int | None) -> int | None:
    """Bytes that the model and its checkpoints need at once; none where the model's size is not known.

    Where nothing tells how many checkpoints there will be, those of one and of the one after it.
    """
    planned, count = run.planned, checkpoints_at_once(run, steps)
    if planned.model is None or planned.checkpoint is None:
        return None
    return planned.model + planned.checkpoint * (2 if count is None else count)


def _made(run: CompiledRun, steps: int | None) -> int | None:
    """Checkpoints that are saved in all: each ``save_steps``, and one at the end."""
    if argument_of(run, "save_strategy") == "epoch":
        epochs: float = argument_of(run, "num_train_epochs")
        return math.ceil(epochs)
    every: float = argument_of(run, "save_steps")
    if steps is None or argument_of(run, "save_strategy") != "steps":
        return None
    return math.ceil(steps / (every if every >= 1 else max(math.ceil(steps * every), 1)))
