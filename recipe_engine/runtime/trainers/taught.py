"""What every trainer with a teacher does: both models read the same tokens, and a loss compares what they say next."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from trl.models.utils import _ForwardRedirection

from recipe_engine.runtime.teacher import Teacher, TeacherSource
from recipe_engine.runtime.trainers.fused_loss import Read, head_of, last_hidden_states, summed
from recipe_engine.runtime.trainers.token_losses import TokenLoss


class Taught:
    """Part of a trainer: the teacher, and the sum of a loss over tokens that student and teacher have read."""

    teacher: Teacher
    accelerator: Any
    chunk: int | None = None
    """Tokens projected at a time; by default as many as fit into a fixed amount of memory. It changes no result."""

    def meet(self, source: TeacherSource) -> None:
        """Load the teacher."""
        self.teacher = Teacher(source, self)
        self._redirection = _ForwardRedirection()

    def summed_over(
        self, model: Any, inputs: dict[str, Any], kept: Tensor, loss: TokenLoss, *columns: Tensor
    ) -> tuple[Tensor, Tensor]:
        """The sum of ``loss`` over the tokens that are ``kept``, and what it measures of each of them, (N, M).

        ``inputs`` are what both models read: T tokens a row. ``kept`` (B, T - 1) says for each but the first whether it
        counts; ``columns`` (B, T - 1) are what the loss knows of it.
        """
        student = self.accelerator.unwrap_model(model)
        # Through the wrapper's own forward, so that DDP, FSDP and DeepSpeed see a forward pass as any other.
        with self.teacher.present():
            total, measured = self._redirection(
                model, student, self._summed, student, inputs, kept, loss, [column[kept] for column in columns]
            )
        return total, measured

    def _summed(
        self, student: Any, inputs: dict[str, Any], kept: Tensor, loss: TokenLoss, columns: list[Tensor]
    ) -> tuple[Tensor, Tensor]:
        teacher = self.teacher
        with torch.no_grad(), self.accelerator.autocast():
            told = self._redirection(teacher.model, teacher.plain, last_hidden_states, teacher.plain, inputs)
        with self.accelerator.autocast():
            said = last_hidden_states(student, inputs)
            heard, said = told[:, :-1][kept], said[:, :-1][kept]
            return summed(
                loss, Read(said, head_of(student)), Read(heard, head_of(teacher.plain)), tuple(columns), self.chunk
            )
