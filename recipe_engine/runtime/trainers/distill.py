"""Word-level distillation on rows that are tokenized already."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from trl import SFTTrainer

from recipe_engine.algorithms.distill import DistillSettings
from recipe_engine.runtime.teacher import TeacherSource, mean_over_tokens
from recipe_engine.runtime.tokenize import IGNORED
from recipe_engine.runtime.trainers.taught import Taught
from recipe_engine.runtime.trainers.token_losses import WORD_LEVEL_MEASURES, word_level


class DistillTrainer(Taught, SFTTrainer):
    """TRL's fine-tuning with another loss: cross-entropy and the teacher's distribution, over the trained tokens."""

    def __init__(self, *arguments: Any, settings: DistillSettings, teacher: TeacherSource, **keywords: Any) -> None:
        super().__init__(*arguments, **keywords)
        self.loss_of_token = word_level(settings.kd_coef, settings.kd_temperature)
        self.meet(teacher)

    def compute_loss(
        self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Tensor | int | None = None
    ) -> Any:
        """The mean over the trained tokens: of the step, on all processes, or in evaluation of the batch."""
        if return_outputs:
            raise ValueError("the logits are never held as a whole, so they cannot be returned")
        labels = inputs["labels"][:, 1:]
        kept = labels != IGNORED
        read = {name: value for name, value in inputs.items() if name != "labels"}
        total, measured = self.summed_over(model, read, kept, self.loss_of_token, labels)
        tokens = kept.sum() if num_items_in_batch is None else num_items_in_batch
        loss = total / torch.as_tensor(tokens).clamp(min=1)
        if self.args.average_tokens_across_devices and num_items_in_batch is not None:
            loss = loss * self.accelerator.num_processes  # DDP takes the mean of what each process finds
        mean_over_tokens(self, WORD_LEVEL_MEASURES, measured)
        self._count(inputs)
        return loss

    def _count(self, inputs: Any) -> None:
        """The tokens read so far, as TRL logs them."""
        if self.model.training:
            mask = inputs.get("attention_mask")
            read = inputs["input_ids"].new_tensor(inputs["input_ids"].numel()) if mask is None else mask.sum()
            self._total_train_tokens += int(self.accelerator.gather(read.reshape(1)).sum())
        self._metrics["train" if self.model.training else "eval"]["num_tokens"] = [self._total_train_tokens]
