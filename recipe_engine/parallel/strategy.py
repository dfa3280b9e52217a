"""Which strategy a run takes, and why."""

from __future__ import annotations

from dataclasses import dataclass

from recipe_engine.recipe.launch import Strategy
from recipe_engine.recipe.root import Recipe


@dataclass(frozen=True, slots=True)
class Choice:
    """A strategy, and the reason that `recipe plan` gives for it."""

    strategy: Strategy
    why: str


def choose(recipe: Recipe, gpus: int, processes: int) -> Choice:
    """The strategy of a run on ``gpus`` GPUs a machine (0: the CPU) and ``processes`` processes in all."""
    asked = recipe.launch.strategy
    if recipe.training.deepspeed_config is not None:
        return Choice("single" if processes == 1 and gpus == 0 else "zero2", "training.deepspeed_config says so")
    if asked == "auto":
        return Choice("single", "one process") if processes == 1 else Choice("ddp", "each process holds the model")
    if processes == 1 and (gpus == 0 or not asked.startswith("zero")):
        return Choice("single", f"one process has nothing to share: {asked} is for several")
    return Choice(asked, "launch.strategy")
