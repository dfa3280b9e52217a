"""A whole pipeline."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, SerializeAsAny

from recipe_engine.recipe.base import Block
from recipe_engine.recipe.stages.base import Model, Stage, StageId
from recipe_engine.recipe.thinking import ThinkingBlock


class Pipeline(Block):
    """Stages, and what they share. A file with the key ``stages`` is a pipeline; any other is a recipe."""

    output_dir: Annotated[str, Field(min_length=1)] | None = None
    """Folder of everything that it makes, a folder a stage. Default ``models/<file name>``."""
    seed: int = 42
    """Seed of every stage that names none."""
    models: dict[StageId, Model] = {}
    """Models by a name of the pipeline's own, so that each stands in one place: ``$name``."""
    thinking: ThinkingBlock | None = None
    """How thoughts are marked, for every stage. A train stage's recipe without a ``thinking`` block is given it."""
    stages: Annotated[list[SerializeAsAny[Stage]], Field(min_length=1)]
    """What is done. A stage begins when those it reads from, and those of its ``after``, have ended."""
