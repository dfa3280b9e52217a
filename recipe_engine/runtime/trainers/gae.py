"""Advantages of single tokens, and the critic's loss. Tensors are (B, T): rows are completions, padded on the right."""

from __future__ import annotations

import torch
from torch import Tensor

from recipe_engine.runtime.trainers.advantages import Total, whiten


def gae(rewards: Tensor, values: Tensor, mask: Tensor, gamma: float, lam: float) -> tuple[Tensor, Tensor]:
    """Generalized advantages (arXiv 1506.02438, equations 11 and 16) and returns, the critic's targets.

    ``d_t = r_t + gamma V_{t+1} - V_t`` and ``A_t = d_t + gamma lam A_{t+1}``; returns are ``A + V``. ``values[b, t]``
    is the value of the state in which token ``t`` is chosen. A completion's end is the end of the episode, also where
    it was cut at the longest allowed length: the value after it is 0.
    """
    mask = mask.to(values.dtype)
    rewards, values = rewards * mask, values * mask
    following = torch.cat([values[:, 1:], torch.zeros_like(values[:, :1])], dim=1)
    deltas = rewards + gamma * following - values
    advantages = torch.zeros_like(values)
    running = torch.zeros_like(values[:, 0])
    for t in reversed(range(values.size(1))):
        running = deltas[:, t] + gamma * lam * running
        advantages[:, t] = running
    advantages = advantages * mask
    return advantages, advantages + values


def value_losses(values: Tensor, old_values: Tensor, returns: Tensor, cliprange: float | None) -> tuple[Tensor, Tensor]:
    """The critic's loss of each token, and where the clipped value gave it.

    Half the squared error, or that of the value held within ``cliprange`` of the one at the time of sampling, whichever
    is larger (as the authors' code of arXiv 1707.06347 and verl have it; the paper has no clip).
    """
    losses = (values - returns) ** 2
    if cliprange is None:
        return 0.5 * losses, torch.zeros_like(losses, dtype=torch.bool)
    held = torch.clamp(values, old_values - cliprange, old_values + cliprange)
    clipped = (held - returns) ** 2
    return 0.5 * torch.maximum(losses, clipped), clipped > losses


def explained_variance(values: Tensor, returns: Tensor, mask: Tensor, total: Total) -> float | None:
    """``1 - Var(returns - values) / Var(returns)`` over all tokens; none where returns do not vary."""
    _, unexplained = whiten(returns - values, mask, total)
    _, spread = whiten(returns, mask, total)
    return None if spread == 0 else 1 - (unexplained / spread) ** 2
