"""What an algorithm is to the engine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from recipe_engine.recipe.base import Block
from recipe_engine.recipe.data import RowShape
from recipe_engine.recipe.root import Recipe


@dataclass(frozen=True, slots=True)
class Algorithm:
    """A training algorithm: its settings, the rows it takes, and how it becomes arguments of a TRL trainer."""

    name: str
    summary: str
    settings: type[Block]
    """Its settings: each is an argument of ``config`` of the same name, here with a documented type and range."""
    config: str
    """TRL config class, such as ``DPOConfig``: its other arguments may stand in ``training`` too."""
    trainer: str
    """Class that trains, as ``module:Class``."""
    shapes: tuple[RowShape, ...]
    """Row shapes it can be trained on."""
    derived: Callable[[Recipe], dict[str, Any]]
    """Arguments that follow from other blocks of the recipe."""
    reward_driven: bool = False
    """Whether completions are sampled and scored by the ``rewards``."""
    learning_rates: tuple[float, float] = (1e-7, 1e-3)
    """The usual range for training all weights; outside it a warning is given."""


def no_derived_arguments(recipe: Recipe) -> dict[str, Any]:
    """For algorithms all of whose arguments stand in the ``training`` block."""
    return {}
