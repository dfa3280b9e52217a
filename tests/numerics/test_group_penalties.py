"""The losses of the GRPO family beside clipping: truncated weights, dual clip, no ratio, and every KL penalty.

The batch, the policies and the way of comparing are those of ``test_group_losses.py``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.numerics.conftest import MakeTrainer
from tests.numerics.support import Logits, relative_error, token_log_probs
from tests.numerics.test_group_losses import (
    ADVANTAGES,
    COMPLETIONS,
    LENGTH,
    PROMPTS,
    Reference,
    batch_of,
    clipped_tokens,
    grpo,
    made,
    padded,
)
from tests.runtime.support import Row

BETA = 0.3
Average = Callable[[Tensor, Tensor], Tensor]


def over_tokens(values: Tensor, mask: Tensor) -> Tensor:
    return (values * mask).sum() / mask.sum()


def by_sequence(values: Tensor, mask: Tensor) -> Tensor:
    return ((values * mask).sum(-1) / mask.sum(-1)).mean()


def by_length(values: Tensor, mask: Tensor) -> Tensor:
    return (values * mask).sum() / (len(mask) * LENGTH)


def cispo(bound: float) -> Reference:
    """arXiv 2506.13585, equation 4: sg(min(ratio, bound)) A log pi, averaged over all tokens."""

    def loss(policy: Tensor, old: Tensor, _: Tensor, mask: Tensor) -> Tensor:
        weights = torch.exp(policy - old).clamp(max=bound).detach()
        return -over_tokens(weights * ADVANTAGES[:, None] * policy, mask)

    return loss


def dual_clip(bound: float) -> Reference:
    """arXiv 1912.09729: where A < 0, max(clipped objective, bound x A)."""

    def loss(policy: Tensor, old: Tensor, _: Tensor, mask: Tensor) -> Tensor:
        objective = clipped_tokens(policy, old, 0.2, 0.2)
        advantages = ADVANTAGES[:, None]
        bounded = torch.where(advantages < 0, torch.maximum(objective, bound * advantages), objective)
        return -over_tokens(bounded, mask)

    return loss


def bnpo(policy: Tensor, old: Tensor, _: Tensor, mask: Tensor) -> Tensor:
    """The clipped objective, averaged over the tokens of the micro-batch."""
    return -over_tokens(clipped_tokens(policy, old, 0.2, 0.2), mask)


def sequence_ratio(policy: Tensor, old: Tensor, mask: Tensor) -> Tensor:
    return torch.exp(((policy - old) * mask).sum(-1) / mask.sum(-1))


def luspo(policy: Tensor, old: Tensor, _: Tensor, mask: Tensor) -> Tensor:
    """GSPO's objective (arXiv 2507.18071, equation 5) with each sequence weighted by its length."""
    ratios = sequence_ratio(policy, old, mask)
    clipped = torch.minimum(ratios * ADVANTAGES, ratios.clip(0.8, 1.2) * ADVANTAGES)
    return -(clipped * mask.sum(-1)).mean()


def sapo(policy: Tensor, old: Tensor, _: Tensor, mask: Tensor) -> Tensor:
    """arXiv 2511.20347: 4 / t sigmoid(t (ratio - 1)) A, t 1.0 where A > 0, else 1.05; a mean within each sequence."""
    advantages = ADVANTAGES[:, None]
    heat = torch.where(advantages > 0, 1.0, 1.05).double()
    gate = 4 / heat / (1 + torch.exp(-heat * (torch.exp(policy - old) - 1)))
    return -by_sequence(gate * advantages, mask)


def vespo(policy: Tensor, old: Tensor, _: Tensor, mask: Tensor) -> Tensor:
    """phi(w) A log pi, phi(w) = e^l w^k e^(-l w) without gradient, w the ratio of the whole sequence (a product)."""
    weights = torch.exp(((policy - old) * mask).sum(-1)).detach()
    k = torch.where(ADVANTAGES >= 0, 2.0, 3.0).double()
    rate = torch.where(ADVANTAGES >= 0, 3.0, 2.0).double()
    phi = torch.exp(rate) * weights**k * torch.exp(-rate * weights)
    return -over_tokens((phi * ADVANTAGES)[:, None] * policy, mask)


def plain(policy: Tensor, old: Tensor, _: Tensor, mask: Tensor) -> Tensor:
    """arXiv 2504.02546: A log pi, whatever the policy that sampled. (Value 0: only its gradient counts.)"""
    return -over_tokens(ADVANTAGES[:, None] * (policy - policy.detach() + 1), mask)


def penalised(estimate: Callable[[Tensor], Tensor], *, average: Average, weighted: bool = False) -> Reference:
    """The clipped objective less BETA times an estimate of the divergence, by r = log pi - log pi_ref."""

    def loss(policy: Tensor, old: Tensor, frozen: Tensor, mask: Tensor) -> Tensor:
        kl = estimate(policy - frozen) * (torch.exp(policy - old) if weighted else 1.0)
        return -average(clipped_tokens(policy, old, 0.2, 0.2) - BETA * kl, mask)

    return loss


def k1(r: Tensor) -> Tensor:
    """J. Schulman, Approximating KL divergence, 2020; so are k2 and k3."""
    return r


def k2(r: Tensor) -> Tensor:
    return r**2 / 2


def k3(r: Tensor) -> Tensor:
    return torch.exp(-r) - 1 + r


KL = {"beta": BETA, "loss_type": "dapo"}
CASES: dict[str, tuple[str, Row, Reference]] = {
    "cispo": ("cispo", {"epsilon_high": 1.3}, cispo(1.3)),
    "dual clip": ("grpo", {"delta": 1.4}, dual_clip(1.4)),
    "bnpo": ("grpo", {"loss_type": "bnpo"}, bnpo),
    "luspo": ("grpo", {"loss_type": "luspo", "importance_sampling_level": "sequence"}, luspo),
    "sapo": ("grpo", {"loss_type": "sapo"}, sapo),
    "vespo": ("grpo", {"loss_type": "vespo"}, vespo),
    "no ratio": ("gpg", {}, plain),
    "k1": ("grpo", {**KL, "kl_type": "k1"}, penalised(k1, average=over_tokens, weighted=True)),
    "k1 without weights": (
        "grpo",
        {**KL, "kl_type": "k1", "use_bias_correction_kl": False},
        penalised(k1, average=over_tokens),
    ),
    "k2": ("grpo", {**KL, "kl_type": "k2"}, penalised(k2, average=over_tokens)),
    "k2 with weights": (
        "grpo",
        {**KL, "kl_type": "k2", "use_bias_correction_kl": True},
        penalised(k2, average=over_tokens, weighted=True),
    ),
    "k3": ("grpo", KL, penalised(k3, average=over_tokens, weighted=True)),
    "abs": ("grpo", {**KL, "kl_type": "abs"}, penalised(torch.abs, average=over_tokens)),
    "k2 by sequence": ("grpo", {**KL, "loss_type": "grpo", "kl_type": "k2"}, penalised(k2, average=by_sequence)),
    "k2 by micro-batch": ("grpo", {**KL, "loss_type": "bnpo", "kl_type": "k2"}, penalised(k2, average=over_tokens)),
    "k2 by longest": (
        "dr_grpo",
        {"beta": BETA, "kl_type": "k2"},
        penalised(k2, average=by_length),
    ),
    "k2 by sum": (
        "grpo",
        {"beta": BETA, "loss_type": "luspo", "importance_sampling_level": "sequence", "kl_type": "k2"},
        lambda policy, old, frozen, mask: (
            luspo(policy, old, frozen, mask) + BETA * (k2(policy - frozen) * mask).sum(-1).mean()
        ),
    ),
    "in the reward": ("rloo", {"beta": BETA, "loss_type": "grpo"}, grpo(0.2, 0.2)),
}


def compared(trainer: Any, formula: Reference, dtype: torch.dtype) -> tuple[float, float]:
    """Relative errors of the loss and of its gradient."""
    ids = torch.cat([padded(PROMPTS, left=True)[0], padded(COMPLETIONS, left=False)[0]], dim=1)
    policy = Logits(*ids.shape, 1, dtype=dtype)
    exact = policy.logits.detach().double().requires_grad_()
    old = token_log_probs(exact.detach() + Logits(*ids.shape, 5).logits.detach() * 0.6, ids)
    frozen = token_log_probs(Logits(*ids.shape, 3).logits.detach(), ids)
    inputs, _, mask = batch_of(old.to(dtype), frozen.to(dtype))
    value = trainer.compute_loss(policy, inputs)
    value.backward()
    expected = formula(token_log_probs(exact, ids)[:, -LENGTH:], old[:, -LENGTH:], frozen[:, -LENGTH:], mask.double())
    expected.backward()
    assert policy.logits.grad is not None
    assert exact.grad is not None
    assert exact.grad.norm() > 1e-3
    return relative_error(value.detach(), expected.detach()), relative_error(policy.logits.grad, exact.grad)


@pytest.mark.parametrize(("algorithm", "settings", "formula"), CASES.values(), ids=CASES)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-6), (torch.float32, 1e-4)], ids=["64", "32"])
def test_loss_and_gradient(
    make_trainer: MakeTrainer,
    algorithm: str,
    settings: Row,
    formula: Reference,
    dtype: torch.dtype,
    tolerance: float,
) -> None:
    value, gradient = compared(made(make_trainer, algorithm, settings), formula, dtype)
    assert value < tolerance
    assert gradient < tolerance


@pytest.mark.parametrize("settings", [{}, *({"beta": BETA, "kl_type": kind} for kind in ("k1", "k2", "k3", "abs"))])
@pytest.mark.parametrize("loss", ["grpo", "dapo", "bnpo", "dr_grpo", "cispo"])
def test_completions_that_are_masked_altogether_are_no_division_by_zero(
    make_trainer: MakeTrainer, settings: Row, loss: str
) -> None:
    """As ``mask_truncated_completions`` leaves them: one of the batch, then all of it."""
    more = {"scale_rewards": "none"} if loss == "dr_grpo" else {"epsilon_high": 5.0} if loss == "cispo" else {}
    trainer = made(make_trainer, "grpo", {"loss_type": loss, **more, **settings})
    inputs, ids, mask = batch_of(torch.zeros(8, 10), torch.zeros(8, 10))
    for masked in (slice(3, 4), slice(0, 8)):
        mask[masked] = 0
        policy = Logits(*ids.shape, 1, dtype=torch.float32)
        value = trainer.compute_loss(policy, {**inputs, "completion_mask": mask, "num_items_in_batch": mask.sum()})
        value.backward()
        assert value.isfinite()
        assert policy.logits.grad is not None
        assert policy.logits.grad.isfinite().all()
        assert policy.logits.grad[masked].abs().max() == 0
