"""PRIME's formulas (arXiv 2502.01456). Tensors are (B, T): rows are completions, those of a prompt in succession."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits


def others_mean(values: Tensor, group: int) -> Tensor:
    """For each completion, the mean of a number (B,) over the other completions of its prompt.

    Of one alone, as evaluation may sample, it is 0: there is nothing to compare with.
    """
    grouped = values.view(-1, group)
    return ((grouped.sum(1, keepdim=True) - grouped) / max(group - 1, 1)).flatten()


def mean_reward(rewards: Tensor, mask: Tensor) -> Tensor:
    """The mean reward of a completion's tokens, (B,)."""
    return (rewards * mask).sum(-1) / mask.sum(-1).clamp(min=1)


def process_returns(rewards: Tensor, mask: Tensor, baselines: Tensor) -> Tensor:
    """The first sum of equation 5: the rewards of a token and all later ones, each less the completion's baseline (B,).

    The baseline is the mean over the other completions of their mean reward per token.
    """
    over = (rewards - baselines.unsqueeze(-1)) * mask
    return over.flip(-1).cumsum(-1).flip(-1) * mask


def outcome_advantages(accuracy: Tensor, group: int) -> Tensor:
    """The second part of equation 5: the accuracy (B,) less that of the other completions, the same for every token."""
    return accuracy - others_mean(accuracy, group)


def outcome_loss(log_ratios: Tensor, mask: Tensor, accuracy: Tensor, beta: float) -> tuple[Tensor, Tensor]:
    """Cross-entropy of the implicit reward model (equation 4), a mean over completions, and its logits (B,).

    A completion is taken to be right with probability ``sigmoid(beta * sum of the log-ratios)``.
    """
    logits = beta * (log_ratios * mask).sum(-1)
    return binary_cross_entropy_with_logits(logits, accuracy.to(logits.dtype)), logits


def outside(accuracy: Tensor, group: int, low: float, high: float) -> Tensor:
    """Which prompts are too hard or too easy by the mean accuracy (B,) of their completions: (B / group,)."""
    of_prompts = accuracy.view(-1, group).mean(1)
    slack = 1e-6  # 0.2 of five is not below 0.2
    return torch.logical_or(of_prompts < low - slack, of_prompts > high + slack)
