"""Reward models on rows that are tokenized already, scored at the last attended token."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import torch
from accelerate import PartialState
from torch import Tensor
from transformers import AutoModelForSequenceClassification, set_seed
from trl import RewardTrainer
from trl.trainer.utils import create_model_from_path, pad

from recipe_engine.algorithms.reward_model import RewardModelSettings
from recipe_engine.runtime.errors import RunError
from recipe_engine.runtime.scoring import HEAD, last_attended_scores
from recipe_engine.runtime.trainers.pairs import smoothed

Row = dict[str, Any]


class PreparedRewardTrainer(RewardTrainer):
    """TRL's trainer, but for its tokenization, the position of the score, and what becomes of a head it cannot find.

    Rows hold ``prompt_ids``, ``chosen_ids``, ``rejected_ids`` and a ``margin`` or none.
    """

    def __init__(
        self, *, model: str, args: Any, processing_class: Any, settings: RewardModelSettings, **others: Any
    ) -> None:
        self.settings = settings
        quantization = others.pop("quantization_config")
        loaded = load_reward_model(model, args, settings.value_head_prefix, quantization)
        args.model_init_kwargs = None  # the model is loaded
        collate = PairCollator(processing_class.pad_token_id, args.pad_to_multiple_of)
        super().__init__(model=loaded, args=args, processing_class=processing_class, data_collator=collate, **others)

    def _prepare_dataset(self, dataset: Any, *_: Any) -> Any:
        return dataset

    def _set_signature_columns_if_needed(self) -> None:
        self._signature_columns = ["prompt_ids", "chosen_ids", "rejected_ids", "margin"]

    def compute_loss(
        self, model: Any, inputs: dict[str, Tensor], return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """The mean loss of the pairs of a batch, whose first half are the chosen responses."""
        scores = last_attended_scores(model, inputs["input_ids"], inputs["attention_mask"])
        chosen, rejected = scores.chunk(2)
        loss = pair_losses(chosen, rejected, inputs.get("margin"), self.settings).mean()
        self._note(chosen.detach(), rejected.detach(), inputs["attention_mask"])
        return (loss, {"logits": scores.detach()}) if return_outputs else loss

    def _note(self, chosen: Tensor, rejected: Tensor, attention_mask: Tensor) -> None:
        mode = "train" if self.model.training else "eval"
        wins, ones = (chosen > rejected).sum(), torch.ones_like(chosen).sum()
        sums = [part.double() for part in (wins, chosen.sum(), rejected.sum(), attention_mask.sum(), ones)]
        right, good, bad, tokens, pairs = self.accelerator.reduce(torch.stack(sums), "sum").tolist()
        metrics = self._metrics[mode]
        metrics["accuracy"].append(right / pairs)
        metrics["rewards/chosen"].append(good / pairs)
        metrics["rewards/rejected"].append(bad / pairs)
        metrics["rewards/margins"].append((good - bad) / pairs)
        if mode == "train":
            self._total_train_tokens += int(tokens) // self._tp_size
        metrics["num_tokens"] = [self._total_train_tokens]


def pair_losses(chosen: Tensor, rejected: Tensor, margin: Tensor | None, settings: RewardModelSettings) -> Tensor:
    """The loss of each pair, shape (B,), from the scores of both responses.

    -log sigmoid(r_c - r_r - m) as in InstructGPT (arXiv 2203.02155, equation 1) with the margin m of Llama 2
    (arXiv 2307.09288, equation 2); with label smoothing e, the share 1 - e of this and e of the loss of the pair turned
    round (arXiv 2401.06080); plus c (r_c + r_r)^2 (arXiv 2312.09244, equation 2).
    """
    difference = chosen - rejected if margin is None else chosen - rejected - margin
    smoothing, centring = settings.label_smoothing, settings.center_rewards_coefficient
    losses = smoothed(difference, smoothing)
    return losses + centring * (chosen + rejected) ** 2 if centring else losses


@dataclass(frozen=True, slots=True)
class PairCollator:
    """Pairs as one batch: every chosen response after its prompt, then every rejected one, padded on the right."""

    pad_token_id: int
    pad_to_multiple_of: int | None = None

    def __call__(self, rows: list[Row]) -> dict[str, Tensor]:
        sequences = [
            torch.tensor(row["prompt_ids"] + row[key]) for key in ("chosen_ids", "rejected_ids") for row in rows
        ]
        masks = [torch.ones_like(sequence) for sequence in sequences]
        batch = {
            "input_ids": pad(sequences, self.pad_token_id, "right", self.pad_to_multiple_of),
            "attention_mask": pad(masks, 0, "right", self.pad_to_multiple_of),
        }
        margins = [row.get("margin") for row in rows]
        if any(margin is not None for margin in margins):
            batch["margin"] = torch.tensor([margin or 0.0 for margin in margins], dtype=torch.float32)
        return batch


def load_reward_model(path: str, args: Any, value_head_prefix: str | None, quantization: Any) -> Any:
    """A classifier with one label, and its head: the checkpoint's, or a new one on top of a language model.

    Raises:
        RunError: the checkpoint has a head, and not under the name that it would be loaded by.
    """
    set_seed(args.seed)  # for a new head
    arguments = dict(args.model_init_kwargs or {})
    if quantization is not None:
        arguments["quantization_config"] = quantization
    if value_head_prefix is not None:
        arguments["key_mapping"] = {rf"^{re.escape(value_head_prefix)}\.": f"{HEAD}."}
    if args.distributed_state.distributed_type in {"MULTI_GPU", "DEEPSPEED"}:
        arguments["device_map"] = None
    loader = _Loader()
    try:
        model = create_model_from_path(path, loader, num_labels=1, **arguments)
    except RuntimeError as error:
        if "mismatched" not in str(error):
            raise
        hint = "start from a reward model of one number, or from a causal language model"
        raise RunError(f"the head of {path} has another shape than one number for each token", hint) from error
    _judge_head(path, model, loader, value_head_prefix)
    if value_head_prefix is not None:
        # transformers would turn the renaming round when it saves, and only OpenRLHF could load the result.
        kept = [one for one in model._weight_conversions if f"{HEAD}." not in one.target_patterns]
        model._weight_conversions = kept
    return model


class _Loader:
    """What TRL loads a model by, with a memory of what the checkpoint did not have and what had no place."""

    missing: set[str]
    unexpected: set[str]

    def from_pretrained(self, path: str, **arguments: Any) -> Any:
        model, info = AutoModelForSequenceClassification.from_pretrained(path, output_loading_info=True, **arguments)
        self.missing, self.unexpected = set(info["missing_keys"]), set(info["unexpected_keys"])
        return model


def _judge_head(path: str, model: Any, loader: _Loader, value_head_prefix: str | None) -> None:
    new = sorted(name for name in loader.missing if name.split(".")[0] in {HEAD, "classifier"})
    left_over = sorted(name for name in loader.unexpected if not name.startswith("lm_head."))
    if not new:
        return
    if value_head_prefix is not None:
        found = f"it has {', '.join(left_over)}" if left_over else "it has no other head either"
        raise RunError(f"training.value_head_prefix: {path} has no weights named {value_head_prefix}.*; {found}")
    if left_over:
        raise RunError(
            f"{path} has no head named {HEAD}, and weights that have no place: {', '.join(left_over)}",
            hint=f"if they are its head, write training.value_head_prefix: {left_over[0].rpartition('.')[0]}",
        )
    if any("CausalLM" not in name for name in model.config.architectures or ()) and _says_classifier(model):
        raise RunError(f"{path} says that it is a reward model, and holds no weights of a head")
    if PartialState().is_main_process:
        print(f"reward head: new, {model.config.get_text_config().hidden_size} random weights", flush=True)


def _says_classifier(model: Any) -> bool:
    return any("SequenceClassification" in name or "Reward" in name for name in model.config.architectures or ())
