"""Whether the disk has room for what a run writes, before it writes any of it."""

from __future__ import annotations

import shutil
from pathlib import Path

from recipe_engine.compiled import CompiledRun
from recipe_engine.launch.errors import LaunchError
from recipe_engine.launch.paths import shorten
from recipe_engine.parallel.memory import in_bytes
from recipe_engine.plan.disk import checkpoints_at_once, disk_needed
from recipe_engine.plan.steps import argument_of


def demand_space(run: CompiledRun) -> None:
    """Check that the model and its checkpoints fit beside what is there. A run whose size is not known passes.

    Raises:
        LaunchError: they do not. The numbers are those of `recipe plan`.
    """
    most: int = argument_of(run, "max_steps")
    steps = most if most > 0 else None
    needed, count = disk_needed(run, steps), checkpoints_at_once(run, steps)
    if needed is None or run.planned.model is None or run.planned.checkpoint is None:
        return
    folder = _existing(Path(run.output_dir))
    has = shutil.disk_usage(folder).free + _replaceable(Path(run.output_dir))
    if needed <= has:
        return
    many = f"{2 if count is None else count} checkpoint{'' if count == 1 else 's'}"
    raise LaunchError(
        "T530",
        f"training.output_dir: the disk of {shorten(folder)} has {in_bytes(has)} left, and the run needs about "
        f"{in_bytes(needed)}: a model of {in_bytes(run.planned.model)}, and at once {many} of "
        f"{in_bytes(run.planned.checkpoint)}",
        "make room, choose another output_dir, lower training.save_total_limit, or write save_only_model: true, "
        "which cannot be gone on from",
    )


def _existing(folder: Path) -> Path:
    """The folder, or the nearest one above it that is there."""
    return next(path for path in (folder, *folder.parents) if path.exists())


def _replaceable(folder: Path) -> int:
    """Bytes of what an earlier start of the run left there, which the run counts among its own files."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) if folder.is_dir() else 0
