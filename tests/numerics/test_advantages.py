"""Every advantage estimator against its paper's formula, written here with plain numbers in float64.

Groups have 4 completions, or 2; one has no spread; one completion has a single token, one none that is trained on.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from recipe_engine.runtime.trainers import advantages as estimate
from tests.numerics.support import relative_error

Rewards = list[float]
REWARDS = [0.3, 1.7, -0.4, 0.9, 1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 2.5]
LENGTHS = [5, 1, 3, 7, 2, 2, 6, 1, 4, 7, 0, 3]
WIDTH = 7
TYPES = [(torch.float64, 1e-6), (torch.float32, 1e-4)]


def groups(values: Rewards, size: int) -> list[Rewards]:
    return [values[start : start + size] for start in range(0, len(values), size)]


def flat(lists: list[Rewards]) -> Tensor:
    return torch.tensor([value for values in lists for value in values], dtype=torch.float64)


def grpo(rewards: Rewards, size: int) -> Tensor:
    """arXiv 2402.03300, section 4.1.2, with the 1e-4 that keeps a group without spread finite."""
    return flat([[(r - statistics.mean(g)) / (statistics.stdev(g) + 1e-4) for r in g] for g in groups(rewards, size)])


def by_batch(rewards: Rewards, size: int) -> Tensor:
    """arXiv 2508.08221: the mean of the group, the standard deviation of the batch."""
    spread = statistics.stdev(rewards) + 1e-4
    return flat([[(r - statistics.mean(g)) / spread for r in g] for g in groups(rewards, size)])


def centred(rewards: Rewards, size: int) -> Tensor:
    """Dr. GRPO, arXiv 2503.20783."""
    return flat([[r - statistics.mean(g) for r in g] for g in groups(rewards, size)])


def rloo(rewards: Rewards, size: int) -> Tensor:
    """arXiv 2402.14740: R_i - 1 / (k - 1) sum_{j != i} R_j."""
    return flat([[r - (sum(g) - r) / (size - 1) for r in g] for g in groups(rewards, size)])


def opo(rewards: Rewards, size: int) -> Tensor:
    """arXiv 2505.23585: the baseline is sum_i l_i R_i / sum_i l_i."""
    found = []
    for g, lengths in zip(groups(rewards, size), groups(list(map(float, LENGTHS)), size), strict=True):
        baseline = sum(n * r for n, r in zip(lengths, g, strict=True)) / sum(lengths)
        found.append([r - baseline for r in g])
    return flat(found)


def gpg(rewards: Rewards, size: int) -> Tensor:
    """arXiv 2504.02546: a (R - mean), a = B / (B - M), M the completions of groups without spread."""
    lost = sum(size for g in groups(rewards, size) if len(set(g)) == 1)
    return centred(rewards, size) * len(rewards) / (len(rewards) - lost)


CASES: dict[str, tuple[Callable[[Tensor, int], Tensor], Callable[[Rewards, int], Tensor]]] = {
    "grpo": (lambda r, n: estimate.group_advantages(r, n, "group"), grpo),
    "grpo over the batch": (lambda r, n: estimate.group_advantages(r, n, "batch"), by_batch),
    "dr_grpo": (lambda r, n: estimate.group_advantages(r, n, "none"), centred),
    "rloo": (estimate.leave_one_out, rloo),
    "opo": (lambda r, n: estimate.optimal_baseline(r, torch.tensor(LENGTHS), n), opo),
    "gpg": (estimate.group_policy_gradient, gpg),
}


@pytest.mark.parametrize(("found", "reference"), CASES.values(), ids=CASES)
@pytest.mark.parametrize("size", [2, 4])
@pytest.mark.parametrize(("dtype", "tolerance"), TYPES, ids=["64", "32"])
def test_an_advantage_of_a_completion_is_that_of_the_paper(
    found: Callable[[Tensor, int], Tensor],
    reference: Callable[[Rewards, int], Tensor],
    size: int,
    dtype: torch.dtype,
    tolerance: float,
) -> None:
    value = found(torch.tensor(REWARDS, dtype=dtype), size)
    assert relative_error(value, reference(REWARDS, size)) < tolerance


@pytest.mark.parametrize("found", [case[0] for case in CASES.values()], ids=CASES)
def test_where_no_group_has_spread_there_is_nothing_to_learn(found: Callable[[Tensor, int], Tensor]) -> None:
    value = found(torch.full((12,), 0.7, dtype=torch.float64), 4)
    assert float(value.abs().max()) < 1e-12


@pytest.mark.parametrize("found", [case[0] for case in CASES.values()], ids=CASES)
def test_a_completion_without_a_reward_counts_in_no_baseline(found: Callable[[Tensor, int], Tensor]) -> None:
    rewards = torch.tensor([*REWARDS[:3], math.nan, *[math.nan] * 4, *REWARDS[8:]], dtype=torch.float64)
    value = found(rewards, 4)
    assert value.isfinite().all()
    assert value[3:8].tolist() == [0.0] * 5


def mask() -> Tensor:
    return (torch.arange(WIDTH) < torch.tensor(LENGTHS)[:, None]).long()


def token_rewards() -> Tensor:
    return torch.randn(len(LENGTHS), WIDTH, generator=torch.Generator().manual_seed(3), dtype=torch.float64)


def returns(rewards: Tensor, gamma: float) -> list[Rewards]:
    """G_t = sum_k gamma^k r_{t+k}, each completion up to its length."""
    return [
        [sum(gamma ** (later - t) * float(row[later]) for later in range(t, length)) for t in range(length)]
        for row, length in zip(rewards, LENGTHS, strict=True)
    ]


def padded(rows: list[Rewards]) -> Tensor:
    return torch.tensor([row + [0.0] * (WIDTH - len(row)) for row in rows], dtype=torch.float64)


def normalised(rows: list[Rewards]) -> Tensor:
    """(A - mean) / standard deviation over all tokens."""
    tokens = [value for row in rows for value in row]
    mean, spread = statistics.mean(tokens), math.sqrt(statistics.variance(tokens) + 1e-8)
    return padded([[(value - mean) / spread for value in row] for row in rows])


@pytest.mark.parametrize("gamma", [1.0, 0.9])
@pytest.mark.parametrize(("dtype", "tolerance"), TYPES, ids=["64", "32"])
class TestOfTokens:
    def test_reinforce_plus_plus(self, gamma: float, dtype: torch.dtype, tolerance: float) -> None:
        """arXiv 2501.03262."""
        value = estimate.reinforce_plus_plus(token_rewards().to(dtype), mask(), gamma, lambda x: x)
        assert relative_error(value, normalised(returns(token_rewards(), gamma))) < tolerance

    def test_remax(self, gamma: float, dtype: torch.dtype, tolerance: float) -> None:
        """arXiv 2310.10505, algorithm 1: the return less the reward of the greedy completion."""
        greedy = torch.tensor(REWARDS, dtype=dtype).flip(0)
        value = estimate.remax(token_rewards().to(dtype), greedy, mask(), gamma)
        pairs = zip(returns(token_rewards(), gamma), reversed(REWARDS), strict=True)
        assert relative_error(value, padded([[g - b for g in row] for row, b in pairs])) < tolerance


@pytest.mark.parametrize(("dtype", "tolerance"), TYPES, ids=["64", "32"])
@pytest.mark.parametrize("size", [2, 4])
def test_reinforce_plus_plus_with_a_group_baseline(size: int, dtype: torch.dtype, tolerance: float) -> None:
    """arXiv 2501.03262: R - mean of the group at each token, normalised over all tokens."""
    baselined = estimate.group_advantages(torch.tensor(REWARDS, dtype=dtype), size, "none")
    value = estimate.reinforce_plus_plus_baseline(baselined, mask(), lambda x: x)
    rows = [[float(a)] * n for a, n in zip(centred(REWARDS, size), LENGTHS, strict=True)]
    assert relative_error(value, normalised(rows)) < tolerance


def test_a_whitened_batch_is_that_of_all_processes() -> None:
    """Two processes with half of the rows each, whose sums are added, have the values of one with all rows."""
    values, trained = token_rewards(), mask()
    whole = estimate.whiten(values, trained, lambda x: x)[0]
    halves = [slice(0, 6), slice(6, 12)]

    def sums_of(part: slice) -> list[Tensor]:
        """What this process adds to the count and the sum, and given the mean of all to the sum of squares."""
        here, tokens = values[part], trained[part].double()
        mean = (values * trained).sum() / trained.sum()
        return [torch.stack([tokens.sum(), (here * tokens).sum()]), ((here - mean) ** 2 * tokens).sum()]

    expected = [sums_of(part) for part in halves]
    for number, part in enumerate(halves):
        totals = iter([own + other for own, other in zip(*expected, strict=True)])
        parts = iter(expected[number])

        def total(value: Tensor, totals: object = totals, parts: object = parts) -> Tensor:
            assert torch.allclose(value, next(parts))  # type: ignore[call-overload]
            return next(totals)  # type: ignore[call-overload, no-any-return]

        assert relative_error(estimate.whiten(values[part], trained[part], total)[0], whole[part]) < 1e-12


def test_nothing_but_masked_tokens_is_no_division_by_zero() -> None:
    values, nothing = token_rewards(), torch.zeros(12, WIDTH, dtype=torch.long)
    assert estimate.whiten(values, nothing, lambda x: x)[0].tolist() == torch.zeros(12, WIDTH).tolist()
    assert estimate.reinforce_plus_plus(values, nothing, 0.9, lambda x: x).isfinite().all()
    assert float(estimate.remax(values, torch.zeros(12), nothing, 1.0).abs().sum()) == 0


def test_the_reward_stands_at_the_last_token_that_is_not_masked() -> None:
    trained = torch.tensor([[1, 1, 0, 0], [1, 1, 1, 1], [0, 0, 0, 0], [1, 0, 1, 0]])
    placed = estimate.at_last_token(torch.tensor([1.0, 2.0, 3.0, 4.0]), trained)
    assert placed.tolist() == [[0, 1, 0, 0], [0, 0, 0, 2], [0, 0, 0, 0], [0, 0, 4, 0]]


def test_a_masked_token_between_others_passes_the_return_on() -> None:
    trained = torch.tensor([[1, 0, 1, 0]])
    assert estimate.returns_to_go(torch.tensor([[1.0, 9.0, 4.0, 9.0]]), trained, 0.5).tolist() == [[3, 0, 4, 0]]


def test_a_group_has_spread_if_two_rewards_differ() -> None:
    rewards = torch.tensor([1.0, 1, 1, 1.5, 0, 0, math.nan, 0, math.nan, math.nan, math.nan, 1])
    assert estimate.has_spread(rewards, 4).tolist() == [True, False, False]


def test_rewards_are_added_by_weight_and_an_unscored_completion_has_none() -> None:
    rewards = torch.tensor([[1.0, 2.0], [math.nan, 3.0], [math.nan, math.nan]])
    first, second, third = estimate.weighted_sum(rewards, torch.tensor([1.0, 0.5])).tolist()
    assert (first, second) == (2.0, 1.5)
    assert math.isnan(third)
