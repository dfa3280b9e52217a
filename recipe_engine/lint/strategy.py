"""The strategy that a recipe asks for by name, as rules look at it."""

from __future__ import annotations

from dataclasses import dataclass

from recipe_engine.lint.rule import Context
from recipe_engine.parallel.deepspeed_file import read_deepspeed_config, stage_of, value_at
from recipe_engine.recipe.launch import Strategy
from recipe_engine.source import Path

_STAGES: dict[int | None, Strategy] = {1: "zero1", 2: "zero2", 3: "zero3"}


@dataclass(frozen=True, slots=True)
class Asked:
    """A strategy, and where it is named."""

    strategy: Strategy
    path: Path
    name: str
    """What names it, as a sentence begins: ``launch.strategy zero3``, ``zero3.json, which asks for ZeRO stage 3,``."""
    offloads_optimizer: bool

    @property
    def splits_weights(self) -> bool:
        """Whether no process holds a whole weight."""
        return self.strategy in {"zero3", "fsdp2"}


def holds_weights_itself(context: Context) -> str | None:
    """``DeepSpeed`` or ``FSDP`` where the recipe asks for one of them by name: which keeps the weights its own way."""
    if context.recipe.training.deepspeed_config is not None or context.recipe.launch.strategy.startswith("zero"):
        return "DeepSpeed"
    return "FSDP" if context.recipe.launch.strategy == "fsdp2" else None


def asked_strategy(context: Context) -> Asked | None:
    """The strategy that is named by ``launch.strategy`` or a DeepSpeed file; none where ``auto`` chooses."""
    launch, file = context.recipe.launch, context.recipe.training.deepspeed_config
    if file is not None:
        stage = stage_of(file)
        if stage not in _STAGES:
            return None
        config = read_deepspeed_config(file) or {}
        offloads = value_at(config, ("zero_optimization", "offload_optimizer", "device")) in {"cpu", "nvme"}
        name = f"{file}, which asks for ZeRO stage {stage},"
        return Asked(_STAGES[stage], ("training", "deepspeed_config"), name, offloads)
    if launch.strategy == "auto":
        return None
    return Asked(
        launch.strategy, ("launch", "strategy"), f"launch.strategy {launch.strategy}", launch.offload_optimizer
    )
