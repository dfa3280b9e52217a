"""The whole recipe."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from recipe_engine.recipe.base import Block
from recipe_engine.recipe.data import DataBlock
from recipe_engine.recipe.launch import LaunchBlock
from recipe_engine.recipe.model import ModelBlock
from recipe_engine.recipe.rewards import Reward
from recipe_engine.recipe.thinking import ThinkingBlock
from recipe_engine.recipe.tracking import WandbBlock
from recipe_engine.recipe.training import TrainingBlock
from recipe_engine.recipe.upload import S3Block


@dataclass(frozen=True, slots=True)
class Recipe:
    """A checked recipe: what to train, on what, how, and where to report.

    The ``training`` block of the file is three things here: what every algorithm shares (``training``), the settings of
    the chosen algorithm with their defaults (``settings``), and the further arguments of the TRL config behind it that
    the file gives (``arguments``).
    """

    model: ModelBlock
    data: DataBlock
    training: TrainingBlock
    settings: Block
    arguments: Mapping[str, Any]
    rewards: tuple[Reward, ...]
    thinking: ThinkingBlock | None
    launch: LaunchBlock
    wandb: WandbBlock
    s3: S3Block

    def argument(self, name: str, default: Any = None) -> Any:
        """A key of ``training`` by name, whether it is a setting of the algorithm or an argument of TRL's."""
        if name in type(self.settings).model_fields:
            return getattr(self.settings, name)
        return self.arguments.get(name, default)


BLOCKS: dict[str, type[Block]] = {
    "model": ModelBlock,
    "data": DataBlock,
    "training": TrainingBlock,
    "thinking": ThinkingBlock,
    "launch": LaunchBlock,
    "wandb": WandbBlock,
    "s3": S3Block,
}
REQUIRED_BLOCKS = ("model", "data", "training")
ABSENT_BLOCKS = ("thinking",)
"""Blocks whose absence is not the same as their defaults."""
