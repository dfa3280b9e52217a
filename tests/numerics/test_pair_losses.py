"""The losses of ORPO, SimPO and CPO, which have no reference model, against the formulas of their papers.

Pairs are those of test_dpo_losses.py: ragged, padded, with responses of a single token. ``chosen`` and ``rejected`` are
log p(y | x), summed over the response's tokens; divided by their lengths they are the papers' averages.
"""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.functional import pad
from trl.experimental.cpo import CPOTrainer
from trl.experimental.orpo import ORPOTrainer

from recipe_engine.runtime.trainers.pairs import log_odds
from tests.numerics.conftest import MakeTrainer
from tests.numerics.support import Logits, relative_error, token_log_probs
from tests.numerics.test_dpo_losses import PAIRS, ROWS, collated, plain
from tests.runtime.support import Row

Reference = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]
"""A loss of each pair from the log-probabilities of both responses and their lengths."""


def sigmoid(x: Tensor) -> Tensor:
    return 1 / (1 + torch.exp(-x))


def orpo(chosen: Tensor, rejected: Tensor, m: Tensor, n: Tensor) -> Tensor:
    """arXiv 2403.07691, equation 6 with 4 and 7: L_SFT - 0.3 log sigmoid(log(odds(y_w) / odds(y_l)))."""
    won, lost = torch.exp(chosen / m), torch.exp(rejected / n)
    return -chosen / m - 0.3 * torch.log(sigmoid(torch.log((won / (1 - won)) / (lost / (1 - lost)))))


def simpo(gamma: float) -> Reference:
    """arXiv 2405.14734, equation 6, with beta = 2.5."""
    return lambda chosen, rejected, m, n: -torch.log(sigmoid(2.5 / m * chosen - 2.5 / n * rejected - gamma))


def simpo_smoothed(chosen: Tensor, rejected: Tensor, m: Tensor, n: Tensor) -> Tensor:
    """A share of 0.2 of the labels is flipped; half of the likelihood is added."""
    margin = 2.5 / m * chosen - 2.5 / n * rejected - 1.0
    return -0.8 * torch.log(sigmoid(margin)) - 0.2 * torch.log(sigmoid(-margin)) - 0.5 * chosen / m


def simpo_hinge(chosen: Tensor, rejected: Tensor, m: Tensor, n: Tensor) -> Tensor:
    return (1 - (2.5 / m * chosen - 2.5 / n * rejected - 1.0)).clamp(min=0)


def alphapo(chosen: Tensor, rejected: Tensor, m: Tensor, n: Tensor) -> Tensor:
    """arXiv 2501.03884: rewards beta (1 - p^-alpha) / alpha, p the geometric mean of the tokens' probabilities."""
    alpha = 0.25
    won, lost = torch.exp(chosen / m), torch.exp(rejected / n)
    rewards = [2.5 * (1 - p ** (-alpha)) / alpha for p in (won, lost)]
    return -torch.log(sigmoid(rewards[0] - rewards[1] - 1.0))


def cpo(chosen: Tensor, rejected: Tensor, m: Tensor, _: Tensor) -> Tensor:
    """arXiv 2401.08417, equation 4 with its second term, here averaged over tokens; beta = 0.3."""
    return -torch.log(sigmoid(0.3 * chosen - 0.3 * rejected)) - chosen / m


def cpo_as_printed(chosen: Tensor, rejected: Tensor, *_: Tensor) -> Tensor:
    return -torch.log(sigmoid(0.3 * chosen - 0.3 * rejected)) - chosen


def cpo_smoothed(chosen: Tensor, rejected: Tensor, *_: Tensor) -> Tensor:
    margin = 0.3 * chosen - 0.3 * rejected
    return -0.9 * torch.log(sigmoid(margin)) - 0.1 * torch.log(sigmoid(-margin))


def cpo_hinge(chosen: Tensor, rejected: Tensor, m: Tensor, _: Tensor) -> Tensor:
    return (1 - (0.3 * chosen - 0.3 * rejected)).clamp(min=0) - 0.5 * chosen / m


LOSSES: dict[str, tuple[str, Row, Reference]] = {
    "orpo": ("orpo", {"beta": 0.3}, orpo),
    "simpo with gamma": ("simpo", {"beta": 2.5, "gamma": 1.4}, simpo(1.4)),
    "simpo with gamma/beta": ("simpo", {"beta": 2.5, "gamma_beta_ratio": 0.4}, simpo(1.0)),
    "simpo smoothed, with likelihood": (
        "simpo",
        {"beta": 2.5, "gamma": 1.0, "label_smoothing": 0.2, "nll_loss_coef": 0.5},
        simpo_smoothed,
    ),
    "simpo hinge": ("simpo", {"beta": 2.5, "gamma": 1.0, "loss_type": "hinge"}, simpo_hinge),
    "alphapo": ("simpo", {"beta": 2.5, "gamma": 1.0, "alpha": 0.25}, alphapo),
    "cpo": ("cpo", {"beta": 0.3}, cpo),
    "cpo as printed": ("cpo", {"beta": 0.3, "nll_length_normalized": False}, cpo_as_printed),
    "cpo smoothed, no likelihood": ("cpo", {"beta": 0.3, "label_smoothing": 0.1, "nll_loss_coef": 0.0}, cpo_smoothed),
    "cpo hinge": ("cpo", {"beta": 0.3, "loss_type": "hinge", "nll_loss_coef": 0.5}, cpo_hinge),
}


def sums_and_lengths(logits: Tensor, batch: dict[str, Tensor]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """What a ``Reference`` takes, from the logits."""
    mask = batch["completion_mask"][:, 1:].to(logits.dtype)
    sums, lengths = (token_log_probs(logits, batch["input_ids"]) * mask).sum(-1), mask.sum(-1)
    half = len(sums) // 2
    return sums[:half], sums[half:], lengths[:half], lengths[half:]


def trainer_of(make_trainer: MakeTrainer, algorithm: str, settings: Row) -> Any:
    return make_trainer(algorithm, ROWS, training={"per_device_train_batch_size": 4, **settings})


@pytest.mark.parametrize(("algorithm", "settings", "reference"), LOSSES.values(), ids=LOSSES)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-6), (torch.float32, 1e-4)], ids=["64", "32"])
def test_loss_and_gradient_are_those_of_the_paper(
    make_trainer: MakeTrainer,
    algorithm: str,
    settings: Row,
    reference: Reference,
    dtype: torch.dtype,
    tolerance: float,
) -> None:
    trainer = trainer_of(make_trainer, algorithm, settings)
    batch = collated(trainer)
    policy = Logits(*batch["input_ids"].shape, 1, dtype=dtype)
    value = trainer.compute_loss(policy, batch)
    value.backward()
    exact = policy.logits.detach().double().requires_grad_()
    expected = reference(*sums_and_lengths(exact, batch)).mean()
    expected.backward()
    assert relative_error(value.detach(), expected.detach()) < tolerance
    assert policy.logits.grad is not None
    assert exact.grad is not None
    assert exact.grad.norm() > 1e-3
    assert relative_error(policy.logits.grad, exact.grad) < tolerance


@pytest.mark.parametrize("pairs", [PAIRS[:1], PAIRS[:2]], ids=["one pair", "two pairs"])
@pytest.mark.parametrize(("algorithm", "settings", "reference"), [LOSSES[name] for name in ("orpo", "cpo")])
def test_padding_and_few_pairs_change_nothing(
    make_trainer: MakeTrainer, pairs: Any, algorithm: str, settings: Row, reference: Reference
) -> None:
    trainer = trainer_of(make_trainer, algorithm, settings)
    batch = trainer.data_collator([{"prompt_ids": p, "chosen_ids": c, "rejected_ids": r} for p, c, r in pairs])
    policy = Logits(len(batch["input_ids"]), batch["input_ids"].size(1) + 5, 1)
    expected = reference(*sums_and_lengths(policy.logits[:, :-5], batch)).mean()
    padded = {name: pad(tensor, (0, 5)) for name, tensor in batch.items()}
    assert relative_error(trainer.compute_loss(policy, padded).detach(), expected.detach()) < 1e-12


@pytest.mark.parametrize("algorithm", ["orpo", "simpo", "cpo"])
def test_a_pair_without_a_trained_token_gives_no_gradient_and_is_no_nan(
    make_trainer: MakeTrainer, algorithm: str
) -> None:
    trainer = trainer_of(make_trainer, algorithm, {})
    batch = collated(trainer)
    batch["completion_mask"][0] = batch["completion_mask"][len(PAIRS)] = 0
    policy = Logits(*batch["input_ids"].shape, 1)
    loss = trainer.compute_loss(policy, batch)
    loss.backward()
    assert loss.isfinite()
    assert policy.logits.grad is not None
    assert policy.logits.grad.isfinite().all()
    assert policy.logits.grad[[0, len(PAIRS)]].abs().sum() == 0
    assert policy.logits.grad[1].abs().sum() > 0


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_odds_are_right_near_certainty_and_finite_at_it(dtype: torch.dtype) -> None:
    log_probs = torch.tensor([-50.0, -1.0, -1e-5, 0.0], dtype=dtype, requires_grad=True)
    odds = log_odds(log_probs)
    odds.sum().backward()
    exact = log_probs.detach().double()[:3]
    expected = exact - torch.log(-torch.expm1(exact))
    assert relative_error(odds.detach()[:3], expected) < 1e-6
    assert log_probs.grad is not None
    assert odds.isfinite().all()
    assert log_probs.grad.isfinite().all()


@pytest.mark.parametrize("algorithm", ["orpo", "simpo", "cpo"])
def test_a_real_model_gets_the_gradient_of_the_formula_and_no_reference_is_loaded(
    make_trainer: MakeTrainer, algorithm: str
) -> None:
    """The whole way in float32, TRL's fused head included, against the formula on a copy of the model in float64."""
    reference = {"orpo": orpo, "simpo": simpo(1.25), "cpo": cpo}[algorithm]
    trainer = trainer_of(make_trainer, algorithm, {"beta": {"simpo": 2.5}.get(algorithm, 0.3)})
    assert trainer.ref_model is None
    batch = trainer.data_collator(list(trainer.train_dataset))
    policy = plain(trainer.model)
    value = trainer.compute_loss(trainer.model, dict(batch))
    value.backward()
    logits = policy(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits
    expected = reference(*sums_and_lengths(logits, batch)).mean()
    expected.backward()
    assert relative_error(value.detach(), expected.detach()) < 1e-4
    for (name, parameter), exact in zip(trainer.model.named_parameters(), policy.parameters(), strict=True):
        assert relative_error(parameter.grad, exact.grad) < 1e-4, name


class TestAgainstTheExperimentalTrainersOfTRL:
    """A second reference: the loss functions of TRL 1.16 under trl.experimental. Their likelihood terms differ."""

    VALUES = (torch.tensor([-3.1, -0.4, -7.7, -0.01]), torch.tensor([-2.2, -9.3, -0.6, -0.3]))
    LENGTHS = (torch.tensor([4.0, 1.0, 9.0, 1.0]), torch.tensor([2.0, 6.0, 1.0, 3.0]))

    def settings(self, **others: Any) -> Any:
        accelerator = SimpleNamespace(device="cpu")
        return SimpleNamespace(**{"alpha": 0.0, "label_smoothing": 0.0, "accelerator": accelerator, **others})

    def test_orpo(self) -> None:
        chosen, rejected = (value / length for value, length in zip(self.VALUES, self.LENGTHS, strict=True))
        losses, *_ = ORPOTrainer.odds_ratio_loss(self.settings(beta=0.3), chosen, rejected)
        ours = orpo(*(value.double() for value in (*self.VALUES, *self.LENGTHS))) + chosen
        assert relative_error(-losses, ours) < 1e-5

    @pytest.mark.parametrize("alpha", [0.0, 0.25])
    def test_simpo(self, alpha: float) -> None:
        chosen, rejected = (value / length for value, length in zip(self.VALUES, self.LENGTHS, strict=True))
        theirs = self.settings(beta=2.5, simpo_gamma=1.0, loss_type="simpo", alpha=alpha)
        losses, *_ = CPOTrainer.cpo_loss(theirs, chosen, rejected)
        ours = (alphapo if alpha else simpo(1.0))(*(value.double() for value in (*self.VALUES, *self.LENGTHS)))
        assert relative_error(losses, ours) < 1e-5

    @pytest.mark.parametrize("loss_type", ["sigmoid", "hinge"])
    def test_cpo(self, loss_type: str) -> None:
        losses, *_ = CPOTrainer.cpo_loss(self.settings(beta=0.3, loss_type=loss_type), *self.VALUES)
        values = [value.double() for value in (*self.VALUES, *self.LENGTHS)]
        if loss_type == "sigmoid":
            ours = cpo(*values) + values[0] / values[2]
        else:
            ours = cpo_hinge(*values) + 0.5 * values[0] / values[2]
        assert relative_error(losses, ours) < 1e-5
