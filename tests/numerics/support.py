"""Models whose parameters are their logits, so that a loss can be followed in float64 and by hand.

TRL's own head computes log-probabilities in float32 whatever the model's type; these compute them in the logits' type,
and what is left to compare is the loss itself, and its gradient with respect to every logit.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from transformers.utils import ModelOutput

VOCABULARY = 11


class Logits(nn.Module):
    """A language model of fixed sequences: ``logits[b, t]`` predicts token ``t + 1`` of row ``b``."""

    def __init__(self, rows: int, length: int, seed: int, *, dtype: torch.dtype = torch.float64) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        values = torch.randn(rows, length, VOCABULARY, generator=generator, dtype=torch.float64)
        self.logits = nn.Parameter(values.to(dtype))

    def forward(self, input_ids: Tensor, labels: Tensor, **_: Any) -> ModelOutput:
        """What TRL's fused head returns: for each token but the first, its log-probability, 0 where it is masked."""
        log_probs = token_log_probs(self.logits, input_ids)
        mask = labels[:, 1:] != -100
        distribution = self.logits[:, :-1].log_softmax(-1)
        return ModelOutput(
            log_probs=log_probs.masked_fill(~mask, 0.0),
            entropy=-(distribution.exp() * distribution).sum(-1).masked_fill(~mask, 0.0),
            mean_logits=self.logits[:, :-1].mean(-1),
            is_top1=self.logits[:, :-1].argmax(-1) == input_ids[:, 1:],
            label_mask=mask,
        )


def token_log_probs(logits: Tensor, ids: Tensor) -> Tensor:
    """``log p(ids[:, t + 1])`` by the definition of the softmax."""
    shifted = logits[:, :-1]
    chosen = shifted.gather(-1, ids[:, 1:, None]).squeeze(-1)
    return chosen - shifted.exp().sum(-1).log()


def relative_error(value: Tensor, reference: Tensor) -> float:
    """The norm of the difference as a share of the reference's norm."""
    difference = (value.double() - reference.double()).norm()
    return float(difference / reference.double().norm().clamp(min=1e-300))
