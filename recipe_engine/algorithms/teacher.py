"""The settings that every distillation has: which model teaches, and how it is held."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from recipe_engine.algorithms.base import Derived
from recipe_engine.recipe.base import Block
from recipe_engine.recipe.model import Dtype
from recipe_engine.recipe.root import Recipe

BEFORE_LOADING = "recipe_engine.runtime.teacher:teacher_for"


class TeacherSettings(Block):
    """The teacher. It must have the student's vocabulary: the same tokens with the same ids."""

    teacher_model: Annotated[str, Field(min_length=1)]
    """The model to learn from, named as ``model.base_model_name`` is: Hub id, local folder, ``s3://`` address, or
    ``builtin/...``."""
    teacher_revision: str | None = None
    """Branch, tag or commit of the teacher on the Hub."""
    teacher_torch_dtype: Dtype = "auto"
    """Type of the teacher's weights. ``auto``: the type that the checkpoint was saved in."""
    teacher_offload: bool = False
    """Keep the teacher in the CPU's memory and copy it to the GPU each time it is asked, which is once a micro-batch.
    Every process has its own copy."""


def without_router_loss(recipe: Recipe) -> dict[str, Derived]:
    """No loss on the balance of experts, which TRL would add where the model's config has a weight for it."""
    return {"router_aux_loss_coef": Derived(0.0, "the loss has no part for the balance of experts")}
