"""DPO's losses as this engine configures TRL's trainer, against the formulas of their papers, written out here.

A pair is ragged: other lengths, padding, responses of a single token. ``log_ratio`` is the sum over the response's
tokens of log pi(token) - log pi_ref(token).
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.numerics.conftest import MakeTrainer
from tests.numerics.support import VOCABULARY, Logits, relative_error, token_log_probs
from tests.runtime.support import Row, assistant, user

ROWS = [
    {"prompt": [user("a")], "chosen": [assistant("b c")], "rejected": [assistant("d")]},
    {"prompt": [user("e f g")], "chosen": [assistant("h")], "rejected": [assistant("i j k l")]},
    {"prompt": [user("m")], "chosen": [assistant("n")], "rejected": [assistant("o")]},
]
# prompt, chosen and rejected tokens of each pair
PAIRS = [([1, 2, 3], [4, 5, 6, 7, 8], [9]), ([1], [2], [3, 4]), ([5, 6], [7], [8]), ([1, 2], [3, 4, 5], [3, 4, 6])]
BETA = 0.3

Reference = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]
"""A loss of each pair from the log-ratios of both responses and their lengths."""


def dpo(chosen: Tensor, rejected: Tensor, *_: Tensor) -> Tensor:
    """arXiv 2305.18290, equation 7: -log sigmoid(beta (log_ratio(chosen) - log_ratio(rejected)))."""
    return torch.log(1 + torch.exp(-BETA * (chosen - rejected)))


def ipo(chosen: Tensor, rejected: Tensor, chosen_length: Tensor, rejected_length: Tensor) -> Tensor:
    """arXiv 2310.12036, equation 17, with tau = beta; each log-ratio is an average over tokens, as TRL has it."""
    return (chosen / chosen_length - rejected / rejected_length - 1 / (2 * BETA)) ** 2


def ipo_sum(chosen: Tensor, rejected: Tensor, *_: Tensor) -> Tensor:
    """arXiv 2310.12036, equation 17, with tau = beta, on summed log-ratios: as printed, and as OpenRLHF's --ipo."""
    return (chosen - rejected - 1 / (2 * BETA)) ** 2


def hinge(chosen: Tensor, rejected: Tensor, *_: Tensor) -> Tensor:
    """The hinge of SLiC (arXiv 2305.10425) on DPO's rewards: max(0, 1 - beta (...))."""
    return (1 - BETA * (chosen - rejected)).clamp(min=0)


def robust(chosen: Tensor, rejected: Tensor, *_: Tensor) -> Tensor:
    """rDPO, arXiv 2403.00409: DPO's loss, unbiased where a share of 0.1 of the labels is flipped."""
    flipped, clean = dpo(rejected, chosen), dpo(chosen, rejected)
    return ((1 - 0.1) * clean - 0.1 * flipped) / (1 - 2 * 0.1)


def conservative(chosen: Tensor, rejected: Tensor, *_: Tensor) -> Tensor:
    """cDPO (E. Mitchell, 2023): the expected loss where a share of 0.1 of the labels is flipped."""
    return (1 - 0.1) * dpo(chosen, rejected) + 0.1 * dpo(rejected, chosen)


LOSSES: list[tuple[Row, Reference]] = [
    ({"loss_type": "sigmoid"}, dpo),
    ({"loss_type": "ipo"}, ipo),
    ({"loss_type": "hinge"}, hinge),
    ({"loss_type": "robust", "label_smoothing": 0.1}, robust),
    (
        {"loss_type": ["sigmoid", "robust"], "loss_weights": [1.8, -0.8], "label_smoothing": 0.1},
        conservative,
    ),
    ({"loss_type": ["sigmoid", "hinge"], "loss_weights": [1.0, 0.5]}, lambda *a: dpo(*a) + 0.5 * hinge(*a)),
    ({"loss_type": "ipo_sum"}, ipo_sum),
    ({"loss_type": ["sigmoid", "ipo_sum"], "loss_weights": [0.5, 2.0]}, lambda *a: 0.5 * dpo(*a) + 2 * ipo_sum(*a)),
    ({"label_smoothing": 0.1}, conservative),
    (
        {"loss_type": ["sigmoid", "ipo_sum"], "loss_weights": [2.0, 1.0], "label_smoothing": 0.1},
        lambda *a: 2 * conservative(*a) + ipo_sum(*a),
    ),
]
NAMES = [
    *("sigmoid", "ipo", "hinge", "robust", "conservative by hand", "sum of two"),
    *("ipo_sum", "sigmoid and ipo_sum", "label_smoothing makes it conservative", "conservative in a sum"),
]


def reference_loss(reference: Reference, policy: Tensor, frozen: Tensor, batch: dict[str, Tensor]) -> Tensor:
    """The mean loss of a batch of chosen rows, then rejected rows, from the logits of both models."""
    responses = batch["completion_mask"][:, 1:].to(policy.dtype)
    ratios = token_log_probs(policy, batch["input_ids"]) - token_log_probs(frozen, batch["input_ids"])
    sums, lengths = (ratios * responses).sum(-1), responses.sum(-1)
    half = len(sums) // 2
    return reference(sums[:half], sums[half:], lengths[:half], lengths[half:]).mean()


def collated(trainer: Any) -> dict[str, Tensor]:
    pairs = [{"prompt_ids": p, "chosen_ids": c, "rejected_ids": r} for p, c, r in PAIRS]
    batch: dict[str, Tensor] = trainer.data_collator(pairs)
    return batch


@pytest.mark.parametrize(("loss", "reference"), LOSSES, ids=NAMES)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-6), (torch.float32, 1e-4)], ids=["64", "32"])
def test_loss_and_gradient_are_those_of_the_paper(
    make_trainer: MakeTrainer, loss: Row, reference: Reference, dtype: torch.dtype, tolerance: float
) -> None:
    trainer = make_trainer("dpo", ROWS, training={"beta": BETA, "per_device_train_batch_size": 4, **loss})
    batch = collated(trainer)
    rows, length = batch["input_ids"].shape
    policy, frozen = Logits(rows, length, 1, dtype=dtype), Logits(rows, length, 2, dtype=dtype)
    trainer.ref_model = frozen
    value = trainer.compute_loss(policy, batch)
    value.backward()
    exact = policy.logits.detach().double().requires_grad_()
    expected = reference_loss(reference, exact, frozen.logits.detach().double(), batch)
    expected.backward()
    assert relative_error(value.detach(), expected.detach()) < tolerance
    assert policy.logits.grad is not None
    assert exact.grad is not None
    assert exact.grad.norm() > 1e-3
    assert relative_error(policy.logits.grad, exact.grad) < tolerance
    assert frozen.logits.grad is None


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-6), (torch.float32, 1e-4)], ids=["64", "32"])
def test_the_chosen_responses_likelihood_is_a_mean_over_tokens_and_then_over_responses(
    make_trainer: MakeTrainer, dtype: torch.dtype, tolerance: float
) -> None:
    """As OpenRLHF's --nll_loss_coef: coef times the mean over chosen responses of their mean -log p."""
    trainer = make_trainer("dpo", ROWS, training={"beta": BETA, "per_device_train_batch_size": 4, "nll_loss_coef": 0.7})
    batch = collated(trainer)
    rows, length = batch["input_ids"].shape
    policy, frozen = Logits(rows, length, 1, dtype=dtype), Logits(rows, length, 2, dtype=dtype)
    trainer.ref_model = frozen
    value = trainer.compute_loss(policy, batch)
    value.backward()
    exact = policy.logits.detach().double().requires_grad_()
    mask = batch["completion_mask"][: len(PAIRS), 1:].double()
    log_probs = token_log_probs(exact, batch["input_ids"])[: len(PAIRS)]
    nll = -sum((row * one).sum() / one.sum() for row, one in zip(log_probs, mask, strict=True)) / len(PAIRS)
    expected = reference_loss(dpo, exact, frozen.logits.detach().double(), batch) + 0.7 * nll
    expected.backward()
    assert relative_error(value.detach(), expected.detach()) < tolerance
    assert policy.logits.grad is not None
    assert exact.grad is not None
    assert relative_error(policy.logits.grad, exact.grad) < tolerance
    assert trainer._metrics["train"]["nll_loss"] == [pytest.approx(float(nll.detach()))]


@pytest.mark.parametrize("padding", [0, 5])
def test_padding_changes_nothing(make_trainer: MakeTrainer, padding: int) -> None:
    trainer = make_trainer("dpo", ROWS, training={"beta": BETA, "per_device_train_batch_size": 4})
    batch = collated(trainer)
    rows, length = batch["input_ids"].shape
    policy, frozen = Logits(rows, length + 5, 1), Logits(rows, length + 5, 2)
    expected = reference_loss(dpo, policy.logits[:, :length], frozen.logits[:, :length], batch)
    padded = {name: torch.nn.functional.pad(tensor, (0, padding)) for name, tensor in batch.items()}
    for model in (policy, frozen):
        model.logits = torch.nn.Parameter(model.logits[:, : length + padding].detach().clone())
    trainer.ref_model = frozen
    assert relative_error(trainer.compute_loss(policy, padded).detach(), expected.detach()) < 1e-12


def test_a_real_model_gets_the_gradient_of_the_formula(make_trainer: MakeTrainer) -> None:
    """The whole way in float32, TRL's fused head included, against the formula on a copy of the model in float64."""
    trainer = make_trainer("dpo", ROWS, training={"beta": BETA, "per_device_train_batch_size": 3})
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for parameter in trainer.model.parameters():  # at the start the policy is the reference, and all is symmetric
            parameter += 0.02 * torch.randn(parameter.shape, generator=generator)
    batch = trainer.data_collator(list(trainer.train_dataset))
    policy, frozen = plain(trainer.model), plain(trainer.ref_model)
    value = trainer.compute_loss(trainer.model, dict(batch))
    value.backward()
    inputs = {"input_ids": batch["input_ids"], "attention_mask": batch["attention_mask"]}
    with torch.no_grad():
        frozen_logits = frozen(**inputs).logits
    expected = reference_loss(dpo, policy(**inputs).logits, frozen_logits, batch)
    expected.backward()
    assert relative_error(value.detach(), expected.detach()) < 1e-4
    for (name, parameter), exact in zip(trainer.model.named_parameters(), policy.parameters(), strict=True):
        assert relative_error(parameter.grad, exact.grad) < 1e-4, name


def plain(model: Any) -> Any:
    """A copy in float64 with the forward of its class, which gives logits."""
    copied = copy.deepcopy(model)
    del copied.forward
    return copied.double().eval()


def test_the_vocabulary_of_these_pairs_is_that_of_the_models() -> None:
    assert max(max(part) for pair in PAIRS for part in pair) < VOCABULARY
