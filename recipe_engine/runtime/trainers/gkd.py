"""Generalized knowledge distillation."""

from __future__ import annotations

import random
from typing import Any

import torch
from torch import Tensor

from recipe_engine.algorithms.gkd import GkdSettings
from recipe_engine.runtime.teacher import mean_over_tokens
from recipe_engine.runtime.trainers.sampled_distillation import Batch, SampledDistillation, read_of
from recipe_engine.runtime.trainers.token_losses import DIVERGENCE_MEASURES, divergence_loss


class GKDTrainer(SampledDistillation):
    """Each round is sampled from the student with probability lambda, and else taken from the data (algorithm 1)."""

    def __init__(self, *arguments: Any, settings: GkdSettings, **keywords: Any) -> None:
        super().__init__(*arguments, settings=settings, **keywords)
        self.loss_of_token = divergence_loss(settings.beta, settings.kd_temperature, settings.sft_coef)

    def _generate_and_score_completions(self, inputs: Any) -> Batch:
        self._sampling = self._samples("input_ids" in inputs[0])
        batch = super()._generate_and_score_completions(inputs)
        self._metrics[self.mode]["on_policy"].append(float(self._sampling))
        return batch

    def _samples(self, given: bool) -> bool:
        """Whether this round is sampled. All processes draw alike, and a resumed run draws as it would have."""
        if not self.model.training:
            return not given  # measured on the completions of the data, so that evaluations compare
        steps = self.args.gradient_accumulation_steps
        number = self.state.global_step * steps + self._step % steps
        return random.Random(f"{self.args.seed} {number}").random() < self.settings.lmbda

    def _generate_single_turn(self, prompt_ids: list[list[int]], *others: Any, **keywords: Any) -> Any:
        if self._sampling or self._given is None:
            return super()._generate_single_turn(prompt_ids, *others, **keywords)
        return [list(completion) for _, completion in self._given], None

    def _completed(self, batch: Batch) -> Batch:
        given = torch.full_like(batch["advantages"], 0.0 if self._sampling else 1.0)
        return {**batch, "given": given}

    def _compute_loss(self, model: Any, inputs: Batch) -> Tensor:
        read, kept = read_of(inputs)
        labels = read["input_ids"][:, 1:]
        given = inputs["given"][:, None].expand(labels.shape)
        total, measured = self.summed_over(model, read, kept, self.loss_of_token, labels, given)
        mean_over_tokens(self, DIVERGENCE_MEASURES, measured)
        return total / self.share_of_step(inputs["num_items_in_batch"])
