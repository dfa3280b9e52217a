"""Distillation on sampled completions: the sampling of GRPO without its rewards, and a teacher."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from trl import GRPOConfig
from trl.trainer.utils import pad

from recipe_engine.algorithms.gkd import GkdSettings
from recipe_engine.algorithms.minillm import MinillmSettings
from recipe_engine.runtime.reward_rows import pack
from recipe_engine.runtime.teacher import TeacherSource
from recipe_engine.runtime.thoughts import thought_opener
from recipe_engine.runtime.tokenize import IGNORED
from recipe_engine.runtime.trainers.rollout import RolloutTrainer
from recipe_engine.runtime.trainers.taught import Taught

Batch = dict[str, Any]


def no_reward(completions: list[Any], **_: Any) -> list[float]:
    """What TRL is given in place of a reward, for it demands one."""
    return [0.0] * len(completions)


_OF_REWARDS = (
    *("reward", "reward_std", "frac_reward_zero_std"),
    *(f"rewards/{no_reward.__name__}/{name}" for name in ("mean", "std")),
)


class SampledDistillation(Taught, RolloutTrainer):
    """Rounds of sampling, from prompts, or from rows of a prompt and a completion that are tokenized already."""

    _sampling = True
    """Whether the round at hand is sampled, and not taken from the data."""
    _given: list[tuple[list[int], list[int]]] | None = None
    """Prompt and completion of each row of the round at hand, where rows have both."""

    def __init__(
        self,
        *arguments: Any,
        args: GRPOConfig,
        settings: GkdSettings | MinillmSettings,
        teacher: TeacherSource,
        **keywords: Any,
    ) -> None:
        args.beta = 0.0  # here it is no weight of a KL penalty, for which TRL would load a reference model
        super().__init__(*arguments, args=args, settings=settings, reward_funcs=[no_reward], **keywords)
        self.meet(teacher)

    def _generate_and_score_completions(self, inputs: Any) -> Batch:
        if "input_ids" in inputs[0]:
            self._given = [split(row) for row in inputs]
            texts = self.processing_class.batch_decode([prompt for prompt, _ in self._given])
            inputs = [pack({"prompt": text}) for text in texts]  # to be shown: the ids are here already
        try:
            batch: Batch = super()._generate_and_score_completions(inputs)
            completed = self._completed(batch)
        finally:
            self._given = None
        for name in _OF_REWARDS:
            self._metrics[self.mode].pop(name, None)
        return completed

    def _completed(self, batch: Batch) -> Batch:
        """What a subclass adds to the batch of a round. Tensors have a row for each completion, or are scalars."""
        return batch

    def _tokenize_prompts(self, prompts: list[Any]) -> Any:
        if self._given is None:
            return super()._tokenize_prompts(prompts)
        prompts = [list(prompt) for prompt, _ in self._given]
        if self._sampling:  # the completions of the data begin with the tag themselves
            opening = thought_opener(self.thinking, self.processing_class)
            prompts = [self._opened(prompt, opening) for prompt in prompts]
        return prompts, None, {}

    def given_completions(self) -> tuple[Tensor, Tensor]:
        """The completions of the data in the round at hand, padded on the right, and their mask, (B, K)."""
        ids = [torch.tensor(completion) for _, completion in self._given or ()]
        device = self.accelerator.device
        mask = pad([torch.ones_like(one) for one in ids], padding_value=0, padding_side="right")
        return pad(ids, padding_value=self._tokenizer.pad_token_id, padding_side="right").to(device), mask.to(device)


def split(row: dict[str, list[int]]) -> tuple[list[int], list[int]]:
    """Prompt and completion of a tokenized row: the completion begins with the first token that is trained."""
    start = next(place for place, label in enumerate(row["labels"]) if label != IGNORED)
    return row["input_ids"][:start], row["input_ids"][start:]


def read_of(batch: Batch, completion: str = "completion") -> tuple[dict[str, Tensor], Tensor]:
    """What models read of a batch, and which tokens of it but the first are the completion's, (B, T - 1)."""
    ids = torch.cat([batch["prompt_ids"], batch[f"{completion}_ids"]], dim=1)
    mask = torch.cat([batch["prompt_mask"], batch[f"{completion}_mask"]], dim=1)
    kept = torch.cat([torch.zeros_like(batch["prompt_mask"]), batch[f"{completion}_mask"]], dim=1)[:, 1:].bool()
    return {"input_ids": ids, "attention_mask": mask}, kept
