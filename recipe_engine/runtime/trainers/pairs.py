"""Losses of pairs of responses, from the log-probabilities of their tokens. Every loss is one number a pair.

Tensors of pairs have the shape (pairs,) and are in nats. ``beta`` and the like are as the papers name them.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid


@dataclass(frozen=True, slots=True)
class Pairs:
    """What a model says of the responses of a batch: their log-probabilities, summed over tokens, and their tokens."""

    chosen: Tensor
    rejected: Tensor
    chosen_tokens: Tensor
    rejected_tokens: Tensor

    @property
    def chosen_mean(self) -> Tensor:
        """Log-probability of a chosen response, averaged over its tokens."""
        return self.chosen / self.chosen_tokens

    @property
    def rejected_mean(self) -> Tensor:
        """Log-probability of a rejected response, averaged over its tokens."""
        return self.rejected / self.rejected_tokens


def pairs_of(log_probs: Tensor, mask: Tensor) -> Pairs:
    """Sum the log-probabilities (2 x pairs, tokens), chosen rows before rejected ones, where ``mask`` is 1."""
    sums = (log_probs * mask).sum(-1)
    tokens = mask.sum(-1).clamp(min=1)  # a response without a token counts 0, not 0/0
    chosen, rejected = sums.chunk(2)
    chosen_tokens, rejected_tokens = tokens.chunk(2)
    return Pairs(chosen, rejected, chosen_tokens, rejected_tokens)


def smoothed(margin: Tensor, label_smoothing: float) -> Tensor:
    """-log sigmoid(margin), expected where a share ``label_smoothing`` of the labels is flipped."""
    return -(1 - label_smoothing) * logsigmoid(margin) - label_smoothing * logsigmoid(-margin)


def hinge(margin: Tensor) -> Tensor:
    """max(0, 1 - margin), of SLiC (arXiv 2305.10425)."""
    return torch.relu(1 - margin)


def ipo(difference: Tensor, beta: float) -> Tensor:
    """(D - 1 / (2 beta))^2 of the difference D of two log-ratios (arXiv 2310.12036, equation 17, with tau = beta)."""
    return (difference - 1 / (2 * beta)) ** 2


def ipo_sum(policy: Pairs, reference: tuple[Tensor, Tensor], beta: float) -> Tensor:
    """IPO on summed log-probabilities.

    ``reference`` are the log-probabilities that the reference model gives the chosen and the rejected responses.
    """
    return ipo((policy.chosen - reference[0]) - (policy.rejected - reference[1]), beta)


def log_odds(mean_log_probs: Tensor) -> Tensor:
    """log(P / (1 - P)) from log P (arXiv 2403.07691, equation 4).

    A response of which the model is certain to the last bit has no finite odds; it is held one bit below.
    """
    below_one = mean_log_probs.clamp(max=-torch.finfo(mean_log_probs.dtype).eps)
    return below_one - torch.log(-torch.expm1(below_one))
