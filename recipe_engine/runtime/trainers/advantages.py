"""Advantages of sampled completions: how much better each did than a baseline.

Shapes: N completions of the whole round, over all processes, in groups of ``group`` completions of one prompt that lie
side by side; B of them on this process; T tokens. A reward that is not a number belongs to a completion that no reward
function could score: it counts in no baseline, and its advantage is 0.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

Total = Callable[[Tensor], Tensor]
"""Sums a tensor over all processes."""

_TINY = 1e-4
"""Added to standard deviations that divide rewards, as TRL has it; verl adds 1e-6."""


def weighted_sum(rewards: Tensor, weights: Tensor) -> Tensor:
    """One reward of each completion, (N, F) -> (N,); not a number where no function gave one."""
    total = (rewards * weights).nansum(dim=1)
    return total.masked_fill(rewards.isnan().all(dim=1), torch.nan)


def has_spread(scores: Tensor, group: int) -> Tensor:
    """Which groups have two different rewards, (N,) -> (N / group,). The others teach a group estimator nothing."""
    grouped = scores.view(-1, group)
    highest = grouped.nan_to_num(nan=-torch.inf).amax(dim=1)
    lowest = grouped.nan_to_num(nan=torch.inf).amin(dim=1)
    return highest > lowest


def group_advantages(scores: Tensor, group: int, scale: str) -> Tensor:
    """GRPO, arXiv 2402.03300, section 4.1.2: (R - mean of the group) / standard deviation of the group.

    ``scale`` "batch" divides by the standard deviation of all rewards instead (arXiv 2508.08221), "none" does not
    divide (Dr. GRPO, arXiv 2503.20783). Standard deviations are unbiased.
    """
    centred = scores - _group_mean(scores, group)
    if scale == "none":
        return centred.nan_to_num(nan=0.0)
    spread = _nanstd(scores.view(-1, group)) if scale == "group" else _nanstd(scores.view(1, -1))
    return (centred / (spread.repeat_interleave(len(scores) // len(spread)) + _TINY)).nan_to_num(nan=0.0)


def advantages_of_each_reward(rewards: Tensor, weights: Tensor, group: int) -> Tensor:
    """GDPO (arXiv 2601.05242): each reward relative to its group, their weighted sum normalised over the batch."""
    columns = [group_advantages(column, group, "group") for column in rewards.unbind(dim=1)]
    scored = ~rewards.isnan()
    sums = (torch.stack(columns, dim=1) * scored * weights).sum(dim=1)
    sums = sums.masked_fill(~scored.any(dim=1), torch.nan)
    return ((sums - sums.nanmean()) / (_nanstd(sums.view(1, -1)) + _TINY)).nan_to_num(nan=0.0)


def leave_one_out(scores: Tensor, group: int) -> Tensor:
    """RLOO, arXiv 2402.14740: R less the mean of the group's other rewards, n / (n - 1) (R - mean)."""
    grouped = scores.view(-1, group)
    count = (~grouped.isnan()).sum(dim=1).repeat_interleave(group)
    factor = count / (count - 1).clamp(min=1)
    return (factor * (scores - _group_mean(scores, group))).nan_to_num(nan=0.0)


def optimal_baseline(scores: Tensor, lengths: Tensor, group: int) -> Tensor:
    """OPO, arXiv 2505.23585: R - sum(length R) / sum(length), over the group."""
    grouped = scores.view(-1, group)
    weights = (lengths.view(-1, group) * ~grouped.isnan()).to(scores.dtype)
    baseline = (weights * grouped.nan_to_num(nan=0.0)).sum(dim=1) / weights.sum(dim=1).clamp(min=1)
    return (scores - baseline.repeat_interleave(group)).nan_to_num(nan=0.0)


def group_policy_gradient(scores: Tensor, group: int) -> Tensor:
    """GPG, arXiv 2504.02546: a (R - mean of the group), with a = B / (B - M).

    M of the B completions are in groups without spread, whose gradient is 0. verl divides by the number of rewards
    that are not 0 instead, which is the same only where no group is all right.
    """
    useful = has_spread(scores, group).sum() * group
    return (len(scores) / useful.clamp(min=1) * (scores - _group_mean(scores, group))).nan_to_num(nan=0.0)


def at_last_token(scores: Tensor, mask: Tensor) -> Tensor:
    """Rewards of completions as rewards of tokens, (B,) -> (B, T): all of it at the last one that is not masked."""
    positions = torch.arange(mask.shape[1], device=mask.device)
    last = (positions * mask).amax(dim=1, keepdim=True)
    return torch.where((positions == last) & mask.bool(), scores.nan_to_num(nan=0.0)[:, None], 0.0)


def returns_to_go(rewards: Tensor, mask: Tensor, gamma: float) -> Tensor:
    """G_t = r_t + gamma G_{t+1} over the tokens that are not masked, (B, T) -> (B, T); 0 at the others."""
    returns = torch.zeros_like(rewards)
    following = torch.zeros_like(rewards[:, 0])
    for position in reversed(range(rewards.shape[1])):
        # A masked token passes on what follows it, undiscounted.
        here = mask[:, position].bool()
        following = torch.where(here, rewards[:, position] + gamma * following, following)
        returns[:, position] = torch.where(here, following, 0.0)
    return returns


def whiten(values: Tensor, mask: Tensor, total: Total) -> tuple[Tensor, float]:
    """Values with mean 0 and variance 1 over the tokens of all processes that are not masked, and their deviation.

    (B, T) -> (B, T). The variance is the unbiased one. A single token has none, and becomes 0.
    """
    mask = mask.to(torch.float64)
    exact = values.to(torch.float64)
    count, summed = total(torch.stack([mask.sum(), (exact * mask).sum()])).tolist()
    mean = summed / max(count, 1.0)
    squares = float(total((((exact - mean) ** 2) * mask).sum()))
    variance = squares / max(count - 1.0, 1.0)
    whitened = (exact - mean) * (variance + 1e-8) ** -0.5 * mask
    return whitened.to(values.dtype), variance**0.5


def reinforce_plus_plus(rewards: Tensor, mask: Tensor, gamma: float, total: Total) -> Tensor:
    """REINFORCE++, arXiv 2501.03262: each token's return, whitened over the tokens of the round."""
    return whiten(returns_to_go(rewards, mask, gamma), mask, total)[0]


def reinforce_plus_plus_baseline(centred: Tensor, mask: Tensor, total: Total) -> Tensor:
    """REINFORCE++-baseline, arXiv 2501.03262: R - mean of the group, whitened over tokens.

    ``centred``, (B,), is ``group_advantages(..., "none")`` of this process.
    """
    return whiten(centred[:, None].expand(mask.shape), mask, total)[0]


def remax(rewards: Tensor, baseline: Tensor, mask: Tensor, gamma: float) -> Tensor:
    """ReMax, arXiv 2310.10505, algorithm 1: each token's return less the reward of the greedy completion, (B,)."""
    return (returns_to_go(rewards, mask, gamma) - baseline.nan_to_num(nan=0.0)[:, None]) * mask


def _group_mean(scores: Tensor, group: int) -> Tensor:
    return scores.view(-1, group).nanmean(dim=1).repeat_interleave(group)


def _nanstd(rows: Tensor) -> Tensor:
    """Unbiased standard deviation of each row; 0 of a row with fewer than two numbers."""
    count = (~rows.isnan()).sum(dim=1)
    squares = ((rows - rows.nanmean(dim=1, keepdim=True)) ** 2).nansum(dim=1)
    return (squares / (count - 1).clamp(min=1)).sqrt()
