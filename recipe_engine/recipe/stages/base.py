"""What every stage has."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from recipe_engine.recipe.base import Block
from recipe_engine.recipe.patterns import STAGE_ID

StageId = Annotated[str, Field(pattern=STAGE_ID)]
"""Name of a stage: lower case letters, digits and underscores. Its folder has the same name."""
Rows = Annotated[str, Field(min_length=1)]
"""Rows: ``$stage``, or a dataset's name as in ``data.datasets``."""
Model = Annotated[str, Field(min_length=1)]
"""A model: ``$stage`` of a train stage, ``$name`` of ``models`` or that a loop carries, or a name as in ``model``."""


class Stage(Block):
    """What every stage has."""

    id: StageId
    """Name of the stage, by which others refer to what it makes: ``$id``."""
    kind: str
    """What it does: ``prepare``, ``generate``, ``score``, ``select``, ``train``, ``evaluate``, ``gate``, ``loop``."""
    after: list[StageId] = []
    """Stages that must have ended before, beside those whose results it reads."""
    gpus: Annotated[int, Field(ge=0)] | None = None
    """GPUs that it uses. Default: all that the pipeline is given for stages that load a model, none for others.
    Stages that do not wait for one another run at once where there are enough."""
    seed: int | None = None
    """Seed of what is random in it. Default: the pipeline's."""
