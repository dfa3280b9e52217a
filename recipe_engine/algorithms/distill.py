"""Word-level knowledge distillation: fine-tuning on labels and on the teacher's distribution over each of them."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from recipe_engine.algorithms.base import Algorithm
from recipe_engine.algorithms.teacher import BEFORE_LOADING, TeacherSettings, without_router_loss


class DistillSettings(TeacherSettings):
    """Settings of word-level distillation."""

    learning_rate: Annotated[float, Field(gt=0)] = 2e-5
    """Peak learning rate of AdamW."""
    kd_coef: Annotated[float, Field(gt=0, le=1)] = 0.4
    """Share of the teacher's distribution in the loss; the rest is cross-entropy with the labels. 1: the teacher
    alone."""
    kd_temperature: Annotated[float, Field(gt=0)] = 1.0
    """Softmax temperature of both models in the teacher's part of the loss, which is multiplied by its square so that
    gradients keep their size (arXiv 1503.02531, section 2)."""


ALGORITHM = Algorithm(
    name="distill",
    summary="word-level distillation of a teacher, beside fine-tuning on the labels",
    settings=DistillSettings,
    config="SFTConfig",
    trainer="recipe_engine.runtime.trainers.distill:DistillTrainer",
    shapes=("text", "messages", "prompt_completion"),
    derived=without_router_loss,
    before_loading=BEFORE_LOADING,
    unused=frozenset({"loss_type", "label_smoothing_factor", "router_aux_loss_coef"}),
    models=("teacher_model",),
    learning_rates=(1e-7, 1e-3),
)
