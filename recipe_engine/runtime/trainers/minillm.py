"""MiniLLM: the reverse KL to the teacher by policy gradient, on samples that the teacher has a share in."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor
from transformers import LogitsProcessor, LogitsProcessorList
from trl import GRPOConfig

from recipe_engine.algorithms.minillm import MinillmSettings
from recipe_engine.runtime.errors import RunError
from recipe_engine.runtime.teacher import mean_over_tokens
from recipe_engine.runtime.trainers.sampled_distillation import Batch, SampledDistillation, read_of
from recipe_engine.runtime.trainers.token_losses import (
    POLICY_GRADIENT_MEASURES,
    log_probabilities,
    policy_gradient,
)


class MiniLLMTrainer(SampledDistillation):
    """Rewards are the log-ratios of the teacher to the student, token by token; each token is credited with those of
    the tokens that follow."""

    def __init__(self, *arguments: Any, args: GRPOConfig, settings: MinillmSettings, **keywords: Any) -> None:
        if settings.teacher_mixed_alpha and (args.use_vllm or args.use_transformers_continuous_batching):
            raise RunError(
                "teacher_mixed_alpha mixes two models token by token, which only transformers' generate does",
                hint="leave use_vllm and use_transformers_continuous_batching out, or write teacher_mixed_alpha: 0.0",
            )
        super().__init__(*arguments, args=args, settings=settings, **keywords)
        self.loss_of_token = policy_gradient(
            self.epsilon_low, self.epsilon_high, single_step=settings.single_step_decomposition
        )

    @property
    def alpha(self) -> float:
        """The teacher's share in sampling: in evaluation the student speaks alone."""
        return float(self.settings.teacher_mixed_alpha) if self.model.training else 0.0

    def _generate_single_turn(self, *arguments: Any, **keywords: Any) -> Any:
        with ExitStack() as stack:
            if self.alpha:
                stack.enter_context(self.teacher.present())
                teacher = stack.enter_context(self.teacher.whole(self.accelerator))
                student = self.accelerator.unwrap_model(self.model_wrapped)
                stack.enter_context(processed(student, lambda mask: TeacherMix(teacher, self.alpha, mask)))
            return super()._generate_single_turn(*arguments, **keywords)

    def _completed(self, batch: Batch) -> Batch:
        log_q, log_p = self._told(batch)
        mask = batch["completion_mask"]
        rewards = (log_p - log_q) * mask
        later = self.settings.single_step_decomposition
        returns = returns_of(rewards, mask, later=later, normalized=self.settings.length_normalization)
        batch |= {"log_mixed": mixture(log_p, log_q, self.alpha), "returns": returns}
        sums = self.accelerator.gather(torch.stack([rewards.sum(-1), mask.sum(-1)], dim=-1)).double()
        self._metrics[self.mode]["return"].append(sums[:, 0].mean().item())
        if self.settings.pt_coef:
            ids, given = self.given_completions()
            batch |= {"given_ids": ids, "given_mask": given}
            batch["given_in_round"] = self.accelerator.gather(given.sum()).sum()
        return batch

    def _told(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """``log q`` and ``log p`` of each completion token, (B, C), 0 where there is none."""
        read, kept = read_of(batch)
        size = batch["completion_ids"].shape[1]
        found = kept.new_zeros((*kept.shape, 2), dtype=torch.float32)
        with torch.no_grad():
            for start in range(0, len(kept), self.args.per_device_train_batch_size):
                rows = slice(start, start + self.args.per_device_train_batch_size)
                part = {name: tensor[rows] for name, tensor in read.items()}
                labels = part["input_ids"][:, 1:]
                _, both = self.summed_over(self.model, part, kept[rows], log_probabilities, labels)
                found[rows] = found[rows].masked_scatter(kept[rows].unsqueeze(-1), both.to(found.dtype))
        log_q, log_p = found[:, -size:].unbind(-1)
        return log_q, log_p

    def _compute_loss(self, model: Any, inputs: Batch) -> Tensor:
        read, kept = read_of(inputs)
        before = kept.shape[1] - inputs["returns"].shape[1]
        log_mixed, returns = (torch.nn.functional.pad(inputs[name], (before, 0)) for name in ("log_mixed", "returns"))
        labels = read["input_ids"][:, 1:]
        total, measured = self.summed_over(model, read, kept, self.loss_of_token, labels, log_mixed, returns)
        mean_over_tokens(self, POLICY_GRADIENT_MEASURES, measured)
        loss = total / self.share_of_step(inputs["num_items_in_batch"])
        return loss + self._language_modelling(model, inputs) if self.settings.pt_coef else loss

    def _language_modelling(self, model: Any, inputs: Batch) -> Tensor:
        """``pt_coef`` L_PT: cross-entropy with the completions of the data."""
        read, _ = read_of(inputs, "given")
        size = inputs["given_ids"].shape[1]
        log_probs, _, _ = self._get_per_token_logps_and_entropies(model, **read, logits_to_keep=size)
        negative = -(log_probs * inputs["given_mask"]).sum()
        known = (-log_probs.detach())[inputs["given_mask"].bool()]
        mean_over_tokens(self, ("pt_loss",), known.unsqueeze(-1))
        return self.settings.pt_coef * negative / self.share_of_step(inputs["given_in_round"])


def mixture(log_p: Tensor, log_q: Tensor, alpha: float) -> Tensor:
    """``log (alpha p + (1 - alpha) q)``, equation 4."""
    if alpha == 0:
        return log_q
    return torch.logaddexp(log_p + math.log(alpha), log_q + math.log1p(-alpha))


def returns_of(rewards: Tensor, mask: Tensor, *, later: bool, normalized: bool) -> Tensor:
    """What each token is credited with, (B, C): the rewards from it on, or of those after it alone (``later``).

    ``normalized`` makes a mean of the sum (equation 6). The paper prints one less than the number of terms below the
    fraction, which would be 0 for the last but one token; its authors' code divides by the number of tokens left, and
    here it is that of the terms. A token with none after it is credited with nothing.
    """
    mask = mask.to(rewards.dtype)
    sums = (rewards * mask).flip(-1).cumsum(-1).flip(-1)
    terms = mask.flip(-1).cumsum(-1).flip(-1)
    if later:
        sums, terms = sums - rewards * mask, terms - mask
    return sums / terms.clamp(min=1) * mask if normalized else sums * mask


class TeacherMix(LogitsProcessor):
    """Makes of the student's next-token distribution the mixture with the teacher's."""

    def __init__(self, teacher: Any, alpha: float, mask: Tensor) -> None:
        self.teacher, self.alpha, self.mask = teacher, alpha, mask
        self.cache: Any = None

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """Log-probabilities of the mixture, (B, V), from the logits of the student."""
        new = input_ids if self.cache is None else input_ids[:, -1:]
        further = input_ids.shape[1] - self.mask.shape[1]
        mask = torch.cat([self.mask, self.mask.new_ones(len(self.mask), further)], dim=1)
        positions = (mask.cumsum(-1) - 1).clamp(min=0)[:, -new.shape[1] :]
        told = self.teacher(
            input_ids=new,
            attention_mask=mask,
            position_ids=positions,
            past_key_values=self.cache,
            use_cache=True,
            logits_to_keep=1,
        )
        self.cache = told.past_key_values
        size = min(scores.shape[-1], told.logits.shape[-1])
        log_p = told.logits[:, -1, :size].to(scores.dtype).log_softmax(-1)
        mixed = torch.full_like(scores, -math.inf)
        mixed[:, :size] = mixture(log_p, scores[:, :size].log_softmax(-1), self.alpha)
        return mixed


@contextmanager
def processed(model: Any, processor: Callable[[Tensor], LogitsProcessor]) -> Iterator[None]:
    """Have ``model.generate`` apply a logits processor, made for the attention mask of the prompts.

    TRL calls ``generate`` with arguments of its own and takes none for it.
    """
    generate = model.generate

    def with_processor(**arguments: Any) -> Any:
        processors = LogitsProcessorList([processor(arguments["attention_mask"])])
        return generate(**arguments, logits_processor=processors)

    model.generate = with_processor
    try:
        yield
    finally:
        del model.generate
