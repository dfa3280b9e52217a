"""The train stage: a recipe, with what other stages made."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from recipe_engine.recipe.stages.base import Model, Rows, Stage


class TrainStage(Stage):
    """Trains a recipe. What it makes is a whole model: adapters are merged into their base."""

    kind: Literal["train"]
    recipe: str | dict[str, Any]
    """A recipe's file, whose path counts from the pipeline's, or the recipe itself. Any text in it may be ``$name``."""
    overrides: dict[str, Any] = {}
    """Values in place of the recipe's, by their dotted names: ``training.learning_rate: 1e-6``."""
    model: Model | None = None
    """Short for ``model.base_model_name``."""
    rows: Rows | None = None
    """Short for a single dataset of that name in ``data.datasets``; the recipe's others are left out."""
    eval_rows: Rows | None = None
    """The same for ``data.eval_datasets``."""
    keep_models: Literal["all"] | Annotated[int, Field(ge=1)] = "all"
    """In a loop: how many of the newest models are kept. Those that a later stage still needs always are."""
