"""Process reward models: cross-entropy on the logits at each placeholder, among the reward tokens."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import Any

import torch
from peft import PeftModel
from torch import Tensor
from trl import SFTTrainer
from trl.trainer.utils import pad

from recipe_engine.algorithms.process_reward import ProcessRewardSettings
from recipe_engine.data.steps import StepTokens
from recipe_engine.runtime.tokenize import IGNORED
from recipe_engine.runtime.tokenize_steps import step_ids

Row = dict[str, Any]


class ProcessRewardTrainer(SFTTrainer):
    """TRL's trainer with another loss. Rows hold ``input_ids``, the ``positions`` of labelled placeholders, and
    ``targets``, for each of them how likely each reward token is to be right.
    """

    def __init__(self, *, args: Any, processing_class: Any, settings: ProcessRewardSettings, **others: Any) -> None:
        tokens = StepTokens(settings.placeholder_token, tuple(settings.reward_tokens))
        self.reward_ids = list(step_ids(processing_class, tokens).rewards)
        collate = StepCollator(processing_class.pad_token_id, self.reward_ids, args.pad_to_multiple_of)
        super().__init__(args=args, processing_class=processing_class, data_collator=collate, **others)
        inner = self.model.get_base_model() if isinstance(self.model, PeftModel) else self.model
        self.keeps_logits = "logits_to_keep" in inspect.signature(inner.forward).parameters
        # Whoever scores with the model finds here what it was trained with.
        self.model.config.process_reward = {
            "placeholder_token": tokens.placeholder,
            "reward_tokens": list(tokens.rewards),
        }

    def _prepare_dataset(self, dataset: Any, *_: Any) -> Any:
        return dataset

    def _set_signature_columns_if_needed(self) -> None:
        self._signature_columns = ["input_ids", "positions", "targets"]

    def compute_loss(
        self, model: Any, inputs: dict[str, Tensor], return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """The mean loss of the labelled steps: of all in the global batch, where their number is given."""
        positions, targets = inputs["positions"], inputs["targets"]
        logits = self._logits_at(model, inputs, positions)
        logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
        labelled = positions >= 0
        losses = step_losses(logits[labelled], targets[labelled].to(logits.dtype))
        steps = labelled.sum() if num_items_in_batch is None else num_items_in_batch
        loss = losses.sum() / torch.as_tensor(steps, device=losses.device).clamp(min=1)
        if num_items_in_batch is not None and self.args.average_tokens_across_devices:
            loss = loss * self.accelerator.num_processes  # data-parallel training averages over the processes
        self._note(logits[labelled].detach(), targets[labelled], inputs["attention_mask"])
        return (loss, {"logits": logits.detach()}) if return_outputs else loss

    def _logits_at(self, model: Any, inputs: dict[str, Tensor], positions: Tensor) -> Tensor:
        """Logits of the R reward tokens at the positions of each row, (B, S, R); those of an unlabelled place are of
        another position.

        Only places where some row has a placeholder go through the head: a whole row's logits would fill the memory.
        """
        places, where = positions.clamp(min=0).unique(return_inverse=True)
        kept: dict[str, Any] = {"use_cache": False}
        if self.keeps_logits:
            kept["logits_to_keep"] = places
        outputs = model(input_ids=inputs["input_ids"], attention_mask=inputs["attention_mask"], **kept)
        logits: Tensor = outputs.logits[..., self.reward_ids]
        columns = where if self.keeps_logits else positions.clamp(min=0)
        return logits.gather(1, columns[..., None].expand(-1, -1, logits.shape[-1]))

    def _note(self, logits: Tensor, targets: Tensor, attention_mask: Tensor) -> None:
        """Accuracy over steps: of all, of those that are good, and of those that are not."""
        mode = "train" if self.model.training else "eval"
        right, good = logits.argmax(-1) == targets.argmax(-1), targets.argmax(-1) == 0
        counts = [
            right.sum(),
            good.sum(),
            (right & good).sum(),
            attention_mask.sum(),
            right.new_tensor(len(right), dtype=int),
        ]
        correct, positive, kept, tokens, steps = self.accelerator.reduce(torch.stack(counts).double(), "sum").tolist()
        metrics = self._metrics[mode]
        if steps:
            metrics["accuracy"].append(correct / steps)
            metrics["good_steps"].append(positive / steps)
        if positive:
            metrics["accuracy/good"].append(kept / positive)
        if steps > positive:
            metrics["accuracy/bad"].append((correct - kept) / (steps - positive))
        if mode == "train":
            self._total_train_tokens += int(tokens) // self._tp_size
        metrics["num_tokens"] = [self._total_train_tokens]


def step_losses(logits: Tensor, targets: Tensor) -> Tensor:
    """The loss of each step, shape (N,), from logits and targets of shape (N, R) over the R reward tokens.

    -sum_k target_k log softmax(logits)_k: with a hard label the cross-entropy of Math-Shepherd (arXiv 2312.08935,
    equation 2), with the probability p of a good step its expectation, -p log q_+ - (1 - p) log q_-.
    """
    return -(targets * logits.log_softmax(-1)).sum(-1)


@dataclass(frozen=True, slots=True)
class StepCollator:
    """Rows as one batch, padded on the right; places of no step are at position -1."""

    pad_token_id: int
    reward_ids: list[int]
    pad_to_multiple_of: int | None = None

    def __call__(self, rows: list[Row]) -> dict[str, Tensor]:
        ids = [torch.tensor(row["input_ids"]) for row in rows]
        batch = {
            "input_ids": pad(ids, self.pad_token_id, "right", self.pad_to_multiple_of),
            "attention_mask": pad([torch.ones_like(row) for row in ids], 0, "right", self.pad_to_multiple_of),
        }
        batch["positions"] = pad([torch.tensor(row["positions"]) for row in rows], -1)
        targets = [torch.tensor(row["targets"], dtype=torch.float64) for row in rows]
        batch["targets"] = pad(targets, 0)
        # Read by transformers alone, which counts the labels of a whole step before its loss is computed.
        labels = torch.full_like(batch["input_ids"], IGNORED)
        for index, row in enumerate(rows):
            labels[index, row["positions"]] = 0
        batch["labels"] = labels
        return batch
