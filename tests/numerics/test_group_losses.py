"""GRPO's and GSPO's losses as this engine configures TRL's trainer, against the formulas of their papers.

Completions are ragged, padded on the right; prompts are padded on the left; one completion has a single token. The old
policy differs from the policy, so that ratios are on both sides of both clipping bounds.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from trl import GRPOTrainer

from tests.numerics.conftest import MakeTrainer
from tests.numerics.support import Logits, relative_error, token_log_probs
from tests.numerics.test_dpo_losses import plain
from tests.runtime.support import Row, user

ROWS = [{"prompt": [user(f"Repeat: {n}")]} for n in range(16)]
REWARDS = [{"type": "length", "unit": "characters", "max": 2, "slope": 60}]
PROMPTS = [[1, 2, 3], [4], [5, 6], [1, 2], [3], [7, 8, 9], [2], [6, 1]]
COMPLETIONS = [
    [4, 5, 6, 7, 8],
    [9],
    [3, 4, 1],
    [2, 6, 4, 8, 3, 5, 7],
    [1, 5],
    [8, 2, 9, 4, 6, 1],
    [7, 7, 3, 5],
    [10],
]
LENGTH = max(map(len, COMPLETIONS))
ADVANTAGES = torch.tensor([1.3, -0.7, -0.9, 0.4, -1.1, 0.8, -0.3, 0.5], dtype=torch.float64)

Reference = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]
"""The loss from the log-probabilities of policy, old policy and reference model, and the completions' mask."""


def gspo(low: float, high: float) -> Reference:
    """arXiv 2507.18071, equation 5 with the ratio of equation 7; the loss is its negative.

    J = 1/G sum_i min(s_i A_i, clip(s_i, 1 - low, 1 + high) A_i), where log s_i is the mean over the tokens of y_i of
    log pi(token) - log pi_old(token).
    """

    def loss(policy: Tensor, old: Tensor, _: Tensor, mask: Tensor) -> Tensor:
        ratios = torch.exp(((policy - old) * mask).sum(-1) / mask.sum(-1))
        clipped = ratios.clip(1 - low, 1 + high)
        return -torch.minimum(ratios * ADVANTAGES, clipped * ADVANTAGES).mean()

    return loss


def clipped_tokens(policy: Tensor, old: Tensor, low: float, high: float) -> Tensor:
    ratios = torch.exp(policy - old)
    advantages = ADVANTAGES[:, None]
    return torch.minimum(ratios * advantages, ratios.clip(1 - low, 1 + high) * advantages)


def grpo(low: float, high: float) -> Reference:
    """arXiv 2402.03300, equation 3 without its penalty; the loss is its negative."""

    def loss(policy: Tensor, old: Tensor, _: Tensor, mask: Tensor) -> Tensor:
        return -((clipped_tokens(policy, old, low, high) * mask).sum(-1) / mask.sum(-1)).mean()

    return loss


def penalised(low: float, high: float) -> Reference:
    """arXiv 2402.03300, equation 3 with the estimate of the divergence of equation 4, and beta 0.3."""

    def loss(policy: Tensor, old: Tensor, frozen: Tensor, mask: Tensor) -> Tensor:
        objective = clipped_tokens(policy, old, low, high) - 0.3 * divergence(policy, frozen)
        return -((objective * mask).sum(-1) / mask.sum(-1)).mean()

    return loss


def penalised_without_bias(low: float, high: float) -> Reference:
    """The same with the divergence weighted by the ratio: its gradient is then unbiased (arXiv 2512.02556)."""

    def loss(policy: Tensor, old: Tensor, frozen: Tensor, mask: Tensor) -> Tensor:
        penalty = torch.exp(policy - old) * divergence(policy, frozen)
        objective = clipped_tokens(policy, old, low, high) - 0.3 * penalty
        return -((objective * mask).sum(-1) / mask.sum(-1)).mean()

    return loss


def divergence(policy: Tensor, frozen: Tensor) -> Tensor:
    return torch.exp(frozen - policy) - (frozen - policy) - 1


def dapo(low: float, high: float) -> Reference:
    """arXiv 2503.14476, equation 8: every token of the batch weighs alike."""

    def loss(policy: Tensor, old: Tensor, _: Tensor, mask: Tensor) -> Tensor:
        return -(clipped_tokens(policy, old, low, high) * mask).sum() / mask.sum()

    return loss


def dr_grpo(low: float, high: float) -> Reference:
    """Dr. GRPO, arXiv 2503.20783: divided by a constant, the most tokens a completion may have."""

    def loss(policy: Tensor, old: Tensor, _: Tensor, mask: Tensor) -> Tensor:
        return -(clipped_tokens(policy, old, low, high) * mask).sum() / (len(mask) * LENGTH)

    return loss


Formula = Callable[[float, float], Reference]
"""A loss by its bounds."""

CASES: list[tuple[str, Row, Formula, tuple[float, float], float]] = [
    ("gspo", {}, gspo, (3e-4, 4e-4), 2e-3),
    ("gspo", {"epsilon": 0.05, "epsilon_high": 0.1}, gspo, (0.05, 0.1), 0.4),
    ("gspo", {"epsilon": 0.05, "epsilon_high": None}, gspo, (0.05, 0.05), 0.4),
    ("grpo", {"loss_type": "grpo"}, grpo, (0.2, 0.2), 0.6),
    ("grpo", {"loss_type": "grpo", "epsilon_high": 0.28}, grpo, (0.2, 0.28), 0.6),
    ("grpo", {"loss_type": "grpo", "beta": 0.3, "use_bias_correction_kl": False}, penalised, (0.2, 0.2), 0.6),
    ("grpo", {"loss_type": "grpo", "beta": 0.3}, penalised_without_bias, (0.2, 0.2), 0.6),
    ("grpo", {}, dapo, (0.2, 0.2), 0.6),
    ("grpo", {"loss_type": "dr_grpo", "scale_rewards": "none"}, dr_grpo, (0.2, 0.2), 0.6),
]
NAMES = [
    "gspo as its paper sets it",
    "gspo with wide bounds",
    "gspo with one bound",
    "grpo",
    "grpo clip-higher",
    "grpo with a penalty",
    "grpo with the penalty of this version of TRL",
    "dapo, the default of grpo",
    "dr_grpo",
]


def padded(rows: list[list[int]], *, left: bool) -> tuple[Tensor, Tensor]:
    """Token ids and mask."""
    width = max(map(len, rows))
    spaces = [[0] * (width - len(row)) for row in rows]
    ids = [space + row if left else row + space for row, space in zip(rows, spaces, strict=True)]
    ones = [[1] * len(row) for row in rows]
    mask = [space + one if left else one + space for one, space in zip(ones, spaces, strict=True)]
    return torch.tensor(ids), torch.tensor(mask)


def made(make_trainer: MakeTrainer, algorithm: str, settings: Row) -> Any:
    training = {
        "per_device_train_batch_size": 8,
        "num_generations": 4,
        "max_completion_length": LENGTH,
        "steps_per_generation": 1,
        "gradient_accumulation_steps": 1,
        **settings,
    }
    return make_trainer(algorithm, ROWS, training=training, data={"max_length": 64}, rewards=REWARDS)


def batch_of(old: Tensor, frozen: Tensor) -> tuple[dict[str, Tensor], Tensor, Tensor]:
    """The trainer's batch, all token ids, and the completions' mask over all tokens but the first."""
    prompts, prompt_mask = padded(PROMPTS, left=True)
    completions, mask = padded(COMPLETIONS, left=False)
    inputs = {
        "prompt_ids": prompts,
        "prompt_mask": prompt_mask,
        "completion_ids": completions,
        "completion_mask": mask,
        "advantages": ADVANTAGES.to(old.dtype),
        "old_per_token_logps": old[:, -LENGTH:] * mask,
        "ref_per_token_logps": frozen[:, -LENGTH:] * mask,
        "num_items_in_batch": mask.sum(),
    }
    return inputs, torch.cat([prompts, completions], dim=1), mask


@pytest.mark.parametrize(("algorithm", "settings", "formula", "bounds", "distance"), CASES, ids=NAMES)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-6), (torch.float32, 1e-4)], ids=["64", "32"])
def test_loss_and_gradient_are_those_of_the_paper(
    make_trainer: MakeTrainer,
    algorithm: str,
    settings: Row,
    formula: Formula,
    bounds: tuple[float, float],
    distance: float,
    dtype: torch.dtype,
    tolerance: float,
) -> None:
    trainer = made(make_trainer, algorithm, settings)
    ids = torch.cat([padded(PROMPTS, left=True)[0], padded(COMPLETIONS, left=False)[0]], dim=1)
    policy = Logits(*ids.shape, 1, dtype=dtype)
    exact = policy.logits.detach().double().requires_grad_()
    drift = Logits(*ids.shape, 5).logits.detach() * distance
    old = token_log_probs(exact.detach() + drift, ids)
    frozen = token_log_probs(Logits(*ids.shape, 3).logits.detach(), ids)
    inputs, _, mask = batch_of(old.to(dtype), frozen.to(dtype))
    value = trainer.compute_loss(policy, inputs)
    value.backward()
    known = (token_log_probs(exact, ids)[:, -LENGTH:], old[:, -LENGTH:], frozen[:, -LENGTH:], mask.double())
    expected = formula(*bounds)(*known)
    expected.backward()
    assert relative_error(value.detach(), expected.detach()) < tolerance
    assert policy.logits.grad is not None
    assert exact.grad is not None
    assert exact.grad.norm() > 1e-3
    assert relative_error(policy.logits.grad, exact.grad) < tolerance
    low, high = bounds
    for other in (formula(low * 1.01, high), formula(low, high * 1.01)):  # both bounds are met here
        assert relative_error(other(*known).detach(), expected.detach()) > (1e-6 if low < 0.01 else 1e-4)


def test_a_real_model_gets_the_gradient_of_gspo(make_trainer: MakeTrainer) -> None:
    """The whole way in float32, TRL's fused head included, against the formula on a copy of the model in float64."""
    trainer = made(make_trainer, "gspo", {"epsilon": 0.05, "epsilon_high": 0.1})
    policy = plain(trainer.model)
    _, ids, mask = batch_of(torch.zeros(8, 10), torch.zeros(8, 10))
    attention = torch.cat([padded(PROMPTS, left=True)[1], mask], dim=1)
    log_probs = token_log_probs(policy(input_ids=ids, attention_mask=attention).logits, ids)
    generator = torch.Generator().manual_seed(4)
    old = log_probs.detach() + 0.1 * torch.randn(log_probs.shape, generator=generator, dtype=torch.float64)
    expected = gspo(0.05, 0.1)(log_probs[:, -LENGTH:], old[:, -LENGTH:], old, mask.double())
    expected.backward()
    inputs, _, _ = batch_of(old.float(), old.float())
    value = trainer.compute_loss(trainer.model, inputs)
    value.backward()
    assert relative_error(value.detach(), expected.detach()) < 1e-4
    for (name, parameter), exact in zip(trainer.model.named_parameters(), policy.parameters(), strict=True):
        assert relative_error(parameter.grad, exact.grad) < 1e-4, name


class TestAdvantages:
    """arXiv 2402.03300, section 4.1.2: (reward - mean of its group) / standard deviation of its group."""

    def advantages(self, trainer: Any, monkeypatch: pytest.MonkeyPatch, rewards: list[float]) -> list[float]:
        def given(self: Any, inputs: Any, *_: Any) -> Tensor:
            return torch.tensor(rewards).unsqueeze(1)

        monkeypatch.setattr(GRPOTrainer, "_calculate_rewards", given)
        rows = [trainer.train_dataset[index // 4] for index in range(len(rewards))]
        out = trainer._generate_and_score_completions(rows)
        return [float(value) for value in out["advantages"]]

    @pytest.mark.parametrize("algorithm", ["grpo", "gspo"])
    def test_they_are_relative_to_the_group(
        self, make_trainer: MakeTrainer, monkeypatch: pytest.MonkeyPatch, algorithm: str
    ) -> None:
        trainer = made(make_trainer, algorithm, {})
        rewards = [0.0, 1.0, 0.5, 0.25, 3.0, 3.0, 2.0, 1.0]
        groups = torch.tensor(rewards).double().view(2, 4)
        spread = ((groups - groups.mean(1, keepdim=True)) ** 2).sum(1, keepdim=True).div(3).sqrt()
        expected = (groups - groups.mean(1, keepdim=True)) / (spread + 1e-4)
        found = torch.tensor(self.advantages(trainer, monkeypatch, rewards))
        assert relative_error(found, expected.flatten()) < 1e-5

    def test_they_are_not_divided_where_the_recipe_says_so(
        self, make_trainer: MakeTrainer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        trainer = made(make_trainer, "grpo", {"loss_type": "dr_grpo", "scale_rewards": "none"})
        found = self.advantages(trainer, monkeypatch, [0.0, 1.0, 0.5, 0.5] * 2)
        assert found == pytest.approx([-0.5, 0.5, 0.0, 0.0] * 2, abs=1e-6)

    def test_a_group_without_spread_teaches_nothing(
        self, make_trainer: MakeTrainer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        trainer = made(make_trainer, "gspo", {})
        assert self.advantages(trainer, monkeypatch, [0.7] * 8) == pytest.approx([0.0] * 8, abs=1e-3)
        inputs, ids, _ = batch_of(torch.zeros(8, 10), torch.zeros(8, 10))
        policy = Logits(*ids.shape, 1, dtype=torch.float32)
        loss = trainer.compute_loss(policy, {**inputs, "advantages": torch.zeros(8)})
        loss.backward()
        assert policy.logits.grad is not None
        assert float(loss.detach()) == 0
        assert float(policy.logits.grad.norm()) == 0
