"""PPO's advantages and losses as the trainer computes them, against the papers' formulas, written out as loops."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from recipe_engine.runtime.trainers.advantages import whiten
from recipe_engine.runtime.trainers.gae import explained_variance, gae, value_losses
from recipe_engine.runtime.trainers.kl_control import KlControl
from tests.numerics.conftest import MakeTrainer
from tests.numerics.sampled import (
    COMPLETIONS,
    END,
    LENGTHS,
    LONGEST,
    SCORES,
    Pair,
    made,
    of_completions,
    random,
    round_of,
    sampled,
)
from tests.numerics.support import relative_error
from tests.runtime.support import Row

B = len(COMPLETIONS)


def alone(value: Tensor) -> Tensor:
    """The sum over all processes, of which there is one."""
    return value


def advantages_of(rewards: list[float], values: list[float], gamma: float, lam: float) -> list[float]:
    """arXiv 1506.02438, equation 16, as the sum that it is: ``A_t = sum_l (gamma lam)^l d_{t+l}``."""
    following = [*values[1:], 0.0]
    deltas = [r + gamma * after - v for r, v, after in zip(rewards, values, following, strict=True)]
    return [sum((gamma * lam) ** n * d for n, d in enumerate(deltas[t:])) for t in range(len(deltas))]


def test_gae_is_the_sum_of_discounted_residuals_and_ignores_what_is_padding() -> None:
    rewards, values = random(B, LONGEST, seed=1), random(B, LONGEST, seed=2)
    mask = torch.tensor([[t < length for t in range(LONGEST)] for length in LENGTHS])
    for gamma, lam in ((1.0, 1.0), (1.0, 0.95), (0.9, 0.7), (1.0, 0.0), (0.0, 1.0)):
        advantages, returns = gae(rewards, values, mask, gamma, lam)
        for row, length in enumerate(LENGTHS):
            exact = advantages_of(rewards[row, :length].tolist(), values[row, :length].tolist(), gamma, lam)
            assert advantages[row, :length].tolist() == pytest.approx(exact, rel=1e-9, abs=1e-12)
            targets = [a + v for a, v in zip(exact, values[row, :length].tolist(), strict=True)]
            assert returns[row, :length].tolist() == pytest.approx(targets, rel=1e-9, abs=1e-12)
        assert not advantages[~mask].any()
        assert not returns[~mask].any()


def test_gae_of_a_row_without_tokens_is_nothing() -> None:
    advantages, returns = gae(torch.ones(1, 3), torch.ones(1, 3), torch.zeros(1, 3), 1.0, 0.95)
    assert not advantages.any()
    assert not returns.any()


class TestWhitening:
    def test_it_has_mean_0_and_unbiased_variance_1_over_the_tokens_alone(self) -> None:
        values, mask = random(3, 4, seed=3), torch.tensor([[1, 1, 1, 1], [1, 0, 0, 0], [1, 1, 0, 0]])
        whitened, spread = whiten(values, mask, alone)
        kept, before = whitened[mask.bool()], values[mask.bool()]
        assert float(kept.mean()) == pytest.approx(0, abs=1e-12)
        assert float(kept.var()) == pytest.approx(1, rel=1e-6)
        assert spread == pytest.approx(float(before.std()), rel=1e-9)
        assert relative_error(kept, (before - before.mean()) / before.std()) < 1e-6
        assert not whitened[mask == 0].any()

    @pytest.mark.parametrize("tokens", [0, 1])
    def test_a_single_token_or_none_becomes_0(self, tokens: int) -> None:
        mask = torch.tensor([[float(tokens), 0.0]])
        whitened, spread = whiten(torch.tensor([[3.0, 5.0]]), mask, alone)
        assert whitened.tolist() == [[0.0, 0.0]]
        assert spread == 0

    def test_equal_values_become_0(self) -> None:
        whitened, _ = whiten(torch.full((2, 3), 0.7, dtype=torch.float64), torch.ones(2, 3), alone)
        assert float(whitened.abs().max()) < 1e-9


class TestRounds:
    """What a round holds: advantages and returns, from scores, values and both log-probabilities."""

    def expected(
        self, values: Tensor, old: Tensor, frozen: Tensor, kl_coef: float, eos_penalty: float, gamma: float, lam: float
    ) -> tuple[Tensor, Tensor]:
        raw, returns = torch.zeros(B, LONGEST).double(), torch.zeros(B, LONGEST).double()
        for row, completion in enumerate(COMPLETIONS):
            length = len(completion)
            # Ziegler et al. (arXiv 1909.08593), section 2: R = r - beta log(pi / rho), token by token
            rewards = [-kl_coef * float(old[row, t] - frozen[row, t]) for t in range(length)]
            rewards[-1] += SCORES[row] - (0.0 if completion[-1] == END else eos_penalty)
            of_row = values[row, :length].tolist()
            found = advantages_of(rewards, of_row, gamma, lam)
            raw[row, :length] = torch.tensor(found)
            returns[row, :length] = torch.tensor([a + v for a, v in zip(found, of_row, strict=True)])
        flat = torch.cat([raw[row, :length] for row, length in enumerate(LENGTHS)])
        white = (raw - flat.mean()) / flat.std()
        for row, length in enumerate(LENGTHS):
            white[row, length:] = 0
        return white, returns

    @pytest.mark.parametrize(
        ("settings", "kl_coef", "eos_penalty", "gamma", "lam"),
        [
            ({}, 0.0, 0.0, 1.0, 1.0),
            ({"gamma": 0.9, "lam": 0.8}, 0.0, 0.0, 0.9, 0.8),
            ({"beta": 0.3, "kl_in_reward": True, "lam": 0.95}, 0.3, 0.0, 1.0, 0.95),
            ({"beta": 0.3, "kl_in_reward": True, "missing_eos_penalty": 1.5}, 0.3, 1.5, 1.0, 1.0),
        ],
        ids=["defaults", "gamma and lambda", "KL in the reward", "KL and missing ends"],
    )
    def test_advantages_and_returns_are_those_of_the_formulas(
        self,
        make_trainer: MakeTrainer,
        monkeypatch: pytest.MonkeyPatch,
        settings: Row,
        kl_coef: float,
        eos_penalty: float,
        gamma: float,
        lam: float,
    ) -> None:
        trainer = made(make_trainer, "ppo", settings)
        values = random(B, LONGEST, seed=4)
        old, frozen = random(B, LONGEST, seed=5, scale=0.3) - 2, random(B, LONGEST, seed=6, scale=0.3) - 2
        found = sampled(trainer, monkeypatch, said=values, old=old, frozen=frozen, scores=SCORES)
        advantages, returns = self.expected(values, old, frozen, kl_coef, eos_penalty, gamma, lam)
        assert relative_error(found["advantages"], advantages) < 1e-6
        assert relative_error(found["returns"], returns) < 1e-6
        logged = trainer._metrics["train"]
        assert logged["score"] == pytest.approx([sum(SCORES) / B - eos_penalty * 4 / B])
        if kl_coef:
            total = sum(float((old - frozen)[row, :n].sum()) for row, n in enumerate(LENGTHS))
            assert logged["kl"] == pytest.approx([total / sum(LENGTHS)])

    def test_without_a_penalty_no_reference_model_is_loaded(self, make_trainer: MakeTrainer) -> None:
        assert made(make_trainer, "ppo", {}).ref_model is None

    def test_the_adaptive_controller_steers_after_each_round(
        self, make_trainer: MakeTrainer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        settings = {"beta": 0.3, "kl_in_reward": True, "kl_controller": "adaptive", "target_kl": 0.5, "kl_horizon": 40}
        trainer = made(make_trainer, "ppo", settings)
        old = random(B, LONGEST, seed=5, scale=0.02)
        frozen = old - torch.tensor([0.5 + 0.1 * (row % 2) for row in range(B)]).unsqueeze(1)
        sampled(trainer, monkeypatch, said=old, old=old, frozen=frozen, scores=SCORES)
        assert trainer._metrics["train"]["kl_coef"] == [0.3]
        assert trainer.beta == pytest.approx(0.3 * (1 + 0.1 * B / 40)), "a mean over tokens, then completions"


@pytest.mark.parametrize(
    ("kl", "error"), [(0.1, 0.0), (0.11, 0.1), (0.09, -0.1), (5.0, 0.2), (0.0, -0.2), (-1.0, -0.2)]
)
def test_the_adaptive_controller_is_that_of_ziegler_et_al(kl: float, error: float) -> None:
    """arXiv 1909.08593, section 2.2: e = clip(KL / target - 1, -0.2, 0.2), beta (1 + K e)."""
    control = KlControl(0.2, 0.1, 1000)
    control.update(kl, 64)
    assert control.coefficient == pytest.approx(0.2 * (1 + error * 64 / 1000))


def test_a_fixed_coefficient_stays() -> None:
    control = KlControl(0.2)
    control.update(100.0, 64)
    assert control.coefficient == 0.2


def policy_loss(logps: Tensor, old: Tensor, advantages: Tensor, low: float, high: float) -> Tensor:
    """arXiv 1707.06347, equation 7, its negative: a mean over all tokens."""
    total = torch.zeros((), dtype=torch.float64)
    for row, length in enumerate(LENGTHS):
        for t in range(length):
            ratio = torch.exp(logps[row, t] - old[row, t])
            clipped = ratio.clip(1 - low, 1 + high)
            total = total - torch.minimum(ratio * advantages[row, t], clipped * advantages[row, t])
    return total / sum(LENGTHS)


def value_loss(values: Tensor, old: Tensor, returns: Tensor, cliprange: float | None) -> Tensor:
    """Half the larger squared error, of the value and of the value held near the old one: a mean over all tokens."""
    total = torch.zeros((), dtype=torch.float64)
    for row, length in enumerate(LENGTHS):
        for t in range(length):
            error = (values[row, t] - returns[row, t]) ** 2
            if cliprange is not None:
                held = old[row, t] + (values[row, t] - old[row, t]).clip(-cliprange, cliprange)
                error = torch.maximum(error, (held - returns[row, t]) ** 2)
            total = total + 0.5 * error
    return total / sum(LENGTHS)


CASES: list[tuple[str, Row, float, float, float | None, float, float]] = [
    # name, settings, low, high, value clip, KL in the loss, entropy
    ("defaults", {}, 0.2, 0.2, 0.5, 0.0, 0.0),
    ("clip-higher, no value clip", {"epsilon_high": 0.28, "cliprange_value": None}, 0.2, 0.28, None, 0.0, 0.0),
    ("narrow value clip", {"cliprange_value": 0.1}, 0.2, 0.2, 0.1, 0.0, 0.0),
    ("KL in the loss", {"beta": 0.3, "use_bias_correction_kl": False}, 0.2, 0.2, 0.5, 0.3, 0.0),
    ("KL in the reward", {"beta": 0.3, "kl_in_reward": True}, 0.2, 0.2, 0.5, 0.0, 0.0),
    ("entropy", {"entropy_coef": 0.02}, 0.2, 0.2, 0.5, 0.0, 0.02),
]


@pytest.mark.parametrize(
    ("settings", "low", "high", "cliprange", "beta", "entropy"), [c[1:] for c in CASES], ids=[c[0] for c in CASES]
)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-6), (torch.float32, 1e-4)], ids=["64", "32"])
def test_losses_and_gradients_of_both_models_are_those_of_the_formulas(
    make_trainer: MakeTrainer,
    settings: Row,
    low: float,
    high: float,
    cliprange: float | None,
    beta: float,
    entropy: float,
    dtype: torch.dtype,
    tolerance: float,
) -> None:
    trainer = made(make_trainer, "ppo", settings)
    frozen = random(B, LONGEST, seed=7, scale=0.5) - 2.5
    _, ids, mask = round_of(frozen, frozen)
    width = ids.shape[1] - 1
    pair = Pair(ids, random(B, width, seed=8), dtype=dtype)
    logits = pair.policy.logits.detach().double().requires_grad_()
    values = pair.said.detach().double().requires_grad_()
    drift = random(*logits.shape, seed=9, scale=0.6)
    old = of_completions(logits.detach() + drift, ids)
    inputs, _, _ = round_of(frozen.to(dtype), old.to(dtype))
    advantages, returns = random(B, LONGEST, seed=10) * mask, random(B, LONGEST, seed=11) * mask
    old_values = (values.detach()[:, -LONGEST:] + random(B, LONGEST, seed=12, scale=0.5)) * mask
    added = {"advantages": advantages, "returns": returns, "values": old_values}
    loss = trainer.compute_loss(pair, inputs | {name: x.to(dtype) for name, x in added.items()})
    loss.backward()

    logps = of_completions(logits, ids)
    expected = policy_loss(logps, old, advantages, low, high)
    ratio = frozen - logps
    expected = expected + beta * ((torch.exp(ratio) - ratio - 1) * mask).sum() / sum(LENGTHS)
    spread = logits[:, :-1].log_softmax(-1)
    expected = expected + entropy * ((spread.exp() * spread).sum(-1)[:, -LONGEST:] * mask).sum() / sum(LENGTHS)
    expected = expected + value_loss(values[:, -LONGEST:], old_values, returns, cliprange)
    expected.backward()
    assert relative_error(loss.detach(), expected.detach()) < tolerance
    for found, exact in ((pair.policy.logits, logits), (pair.said, values)):
        assert found.grad is not None
        assert exact.grad is not None
        assert exact.grad.norm() > 1e-3
        assert relative_error(found.grad, exact.grad) < tolerance
    if cliprange is not None:
        assert 0 < trainer._metrics["train"]["value/clip_ratio"][0] < 1


def test_the_policy_rests_while_the_critic_warms_up(make_trainer: MakeTrainer) -> None:
    trainer = made(make_trainer, "ppo", {"critic_warmup_steps": 2})
    inputs, ids, mask = round_of(random(B, LONGEST, seed=7), random(B, LONGEST, seed=7))
    pair = Pair(ids, random(B, ids.shape[1] - 1, seed=8), dtype=torch.float64)
    extra = {"advantages": mask.double(), "returns": mask.double(), "values": mask.double()}
    trainer.compute_loss(pair, inputs | extra).backward()
    assert pair.policy.logits.grad is not None
    assert not pair.policy.logits.grad.any()
    assert pair.said.grad is not None
    assert pair.said.grad.any()
    trainer.state.global_step = 2
    trainer.compute_loss(pair, inputs | extra).backward()
    assert pair.policy.logits.grad.any()


def test_a_clipped_value_that_is_worse_has_no_gradient() -> None:
    values = torch.tensor([[2.0, 0.0]], requires_grad=True)
    losses, clipped = value_losses(values, torch.tensor([[0.0, 0.0]]), torch.tensor([[2.0, 1.0]]), 0.5)
    losses.sum().backward()
    assert losses.tolist() == [[0.5 * 1.5**2, 0.5]]
    assert clipped.tolist() == [[True, False]]
    assert values.grad is not None
    assert values.grad.tolist() == [[0.0, -1.0]]


def test_explained_variance_is_the_share_that_values_predict() -> None:
    returns, mask = random(3, 5, seed=1), torch.ones(3, 5)
    assert explained_variance(returns, returns, mask, alone) == pytest.approx(1)
    assert explained_variance(torch.zeros(3, 5).double(), returns, mask, alone) == pytest.approx(0)
    half = explained_variance(0.5 * returns, returns, mask, alone)
    assert half is not None
    assert math.isclose(half, 0.75)
    assert explained_variance(returns, torch.ones(3, 5).double(), mask, alone) is None
