"""Preference optimization on rows that are tokenized already."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor
from trl import DPOTrainer

from recipe_engine.algorithms.dpo import DpoSettings
from recipe_engine.runtime.trainers.pairs import Pairs, ipo_sum, pairs_of
from recipe_engine.runtime.trainers.reference import OffloadedReference, load_reference

OWN_LOSSES = frozenset({"ipo_sum"})
"""Losses that TRL does not have."""


class PairTrainer(DPOTrainer):
    """TRL's trainer, but for its tokenization and for what a subclass adds to the loss.

    Rows hold ``prompt_ids``, ``chosen_ids`` and ``rejected_ids``. What the reference model says of a batch stands in
    the batch before TRL's loss is computed, so that it is computed once for both parts of the loss.
    """

    loss_types: list[str]
    loss_weights: list[float]
    precompute_ref_logps: bool

    def _prepare_dataset(self, dataset: Any, *_: Any) -> Any:
        return dataset

    def reference_log_probs(self, inputs: dict[str, Any]) -> tuple[Tensor, Tensor]:
        """The reference model's summed log-probabilities of the chosen and of the rejected responses."""
        if "ref_chosen_logps" in inputs:
            return inputs["ref_chosen_logps"], inputs["ref_rejected_logps"]
        chosen, rejected = self.compute_ref_log_probs(self.ref_model or self.model, inputs)
        return chosen, rejected

    def own_loss(self, policy: Pairs, reference: tuple[Tensor, Tensor], mode: str) -> Tensor | float:
        """What is added to TRL's losses: a mean over the pairs of this micro-batch. ``mode``: ``train`` or ``eval``."""
        return 0.0

    def _compute_loss(self, model: Any, inputs: dict[str, Any], return_outputs: bool) -> Any:
        reference = self.reference_log_probs(inputs)
        with_reference = {**inputs, "ref_chosen_logps": reference[0], "ref_rejected_logps": reference[1]}
        watched = _Watched(model)
        with self._reference_in_batch():
            of_trl = super()._compute_loss(watched, with_reference, return_outputs)
        loss, outputs = of_trl if return_outputs else (of_trl, None)
        mask = inputs["completion_mask"][:, 1:]
        policy = pairs_of(watched.log_probs[:, -mask.size(1) :], mask)
        loss = loss + self.own_loss(policy, reference, "train" if self.model.training else "eval")
        return (loss, outputs) if return_outputs else loss

    @contextmanager
    def _reference_in_batch(self) -> Iterator[None]:
        before = self.precompute_ref_logps
        self.precompute_ref_logps = True
        try:
            yield
        finally:
            self.precompute_ref_logps = before


class _Watched:
    """A model that remembers the log-probabilities of its first forward, which is the one that is trained on."""

    def __init__(self, model: Any) -> None:
        self.model = model
        self.log_probs: Any = None

    def __call__(self, *arguments: Any, **keywords: Any) -> Any:
        outputs = self.model(*arguments, **keywords)
        if self.log_probs is None:
            self.log_probs = outputs.log_probs
        return outputs


class PreparedDPOTrainer(PairTrainer):
    """DPO, with what TRL lacks: ``ipo_sum``, ``nll_loss_coef``, and another or an offloaded reference model.

    Raises:
        ValueError: the reference model does not fit the policy's tokenizer, or cannot be offloaded.
    """

    ref_model: Any

    def __init__(self, *, model: str, args: Any, settings: DpoSettings, processing_class: Any, **others: Any) -> None:
        self.settings = settings
        reference = load_reference(settings, args, processing_class, others.get("quantization_config"))
        super().__init__(model=model, ref_model=reference, args=args, processing_class=processing_class, **others)
        weighted = list(zip(self.loss_types, self.loss_weights, strict=True))
        self.own_weights = {name: weight for name, weight in weighted if name in OWN_LOSSES}
        of_trl = [(name, weight) for name, weight in weighted if name not in OWN_LOSSES]
        self.loss_types, self.loss_weights = [name for name, _ in of_trl], [weight for _, weight in of_trl]
        if args.precompute_ref_log_probs:
            self.ref_model = None  # TRL keeps one that it was given
        self.offloaded: OffloadedReference | None = None
        if settings.ref_offload and self.ref_model is not None:
            if self.is_deepspeed_enabled or self.is_fsdp_enabled:
                raise ValueError("ref_offload works on one GPU and in plain data parallel, not with DeepSpeed or FSDP")
            self.offloaded = OffloadedReference(self.ref_model, self.accelerator.device)

    def reference_log_probs(self, inputs: dict[str, Any]) -> tuple[Tensor, Tensor]:
        """As of the class above; an offloaded model is on the device for as long."""
        if self.offloaded is None:
            return super().reference_log_probs(inputs)
        with self.offloaded.on_device():
            return super().reference_log_probs(inputs)

    def own_loss(self, policy: Pairs, reference: tuple[Tensor, Tensor], mode: str) -> Tensor | float:
        """``ipo_sum``, and the negative log-likelihood of the chosen responses."""
        loss: Tensor | float = 0.0
        if "ipo_sum" in self.own_weights:
            loss = loss + self.own_weights["ipo_sum"] * ipo_sum(policy, reference, self.beta).mean()
        if self.settings.nll_loss_coef > 0:
            nll = -policy.chosen_mean.mean()
            self._metrics[mode]["nll_loss"].append(self.accelerator.gather(nll.detach()).mean().item())
            loss = loss + self.settings.nll_loss_coef * nll
        return loss
