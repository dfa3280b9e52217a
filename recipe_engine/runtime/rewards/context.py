"""What rewards read of what they are part of: a compiled run, or a stage that scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from recipe_engine.recipe.rewards import Reward
from recipe_engine.recipe.thinking import ThinkingBlock


class RewardContext(Protocol):
    """A compiled run is one."""

    @property
    def rewards(self) -> Sequence[Reward]:
        """All of them."""

    @property
    def thinking(self) -> ThinkingBlock | None:
        """How thoughts are marked."""

    @property
    def recipe_folder(self) -> str:
        """The folder that files of functions lie in."""

    @property
    def arguments(self) -> Mapping[str, Any]:
        """Arguments of the trainer, of which ``max_completion_length`` is read."""

    @property
    def gpus(self) -> int:
        """0 where models of rewards run on the CPU."""

    @property
    def allow_reward_code(self) -> bool:
        """Whether the command line allowed code of rewards."""
