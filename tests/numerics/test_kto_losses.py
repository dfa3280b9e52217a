"""KTO's loss as this engine configures TRL's trainer, against the formulas of the papers, written out here."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from recipe_engine.runtime.trainers.kto import kl_partners
from tests.numerics.conftest import MakeTrainer
from tests.numerics.support import Logits, relative_error, token_log_probs
from tests.runtime.support import Row, assistant, user

ROWS = [
    {"prompt": [user("a")], "completion": [assistant("b c")], "label": True},
    {"prompt": [user("e f g")], "completion": [assistant("h")], "label": False},
    {"prompt": [user("m")], "completion": [assistant("n")], "label": True},
]
# prompt and completion tokens, and whether it is desirable
ANSWERS = [([1, 2, 3], [4, 5, 6, 7], True), ([1], [2], False), ([5, 6], [7, 9], True), ([1, 2], [3, 4, 5], False)]
BETA = 0.3


class Both(Logits):
    """Logits for a batch and for its rows with other completions, which may be of another length."""

    def forward(self, input_ids: Tensor, labels: Tensor, **_: Any) -> Any:
        whole, length = self.logits, input_ids.shape[1]
        view = Logits.__new__(Logits)
        torch.nn.Module.__init__(view)
        object.__setattr__(view, "logits", whole[: len(input_ids), :length])
        return Logits.forward(view, input_ids, labels)


def log_ratios(policy: Tensor, frozen: Tensor, rows: list[tuple[list[int], list[int]]]) -> Tensor:
    """The sum over each completion's tokens of log pi - log pi_ref."""
    sums = []
    for index, (prompt, completion) in enumerate(rows):
        ids = torch.tensor([prompt + completion])
        both = [token_log_probs(logits[index : index + 1, : ids.shape[1]], ids)[0] for logits in (policy, frozen)]
        sums.append((both[0] - both[1])[len(prompt) - 1 :].sum())
    return torch.stack(sums)


def reference(loss: str, policy: Tensor, frozen: Tensor, answers: Any, good: float, bad: float) -> tuple[Tensor, float]:
    """KTO (arXiv 2402.01306, equations 7 and 8) or APO-zero for single answers (arXiv 2408.06266), and the KL estimate.

    The reference point z_0 is the mean log-ratio of each prompt with the completion of the row before, not below 0.
    """
    ratios = log_ratios(policy, frozen, [(p, c) for p, c, _ in answers])
    desirable = torch.tensor([label for *_, label in answers])
    with torch.no_grad():
        others = [(p, answers[index - 1][1]) for index, (p, _, _) in enumerate(answers)]
        z0 = log_ratios(policy, frozen, others).mean().clamp(min=0)
    if loss == "kto":
        value = torch.where(desirable, BETA * (ratios - z0), BETA * (z0 - ratios)).sigmoid()
    else:
        value = torch.where(desirable, BETA * ratios, -BETA * ratios).sigmoid()
    weights = torch.where(desirable, good, bad).double()
    return (weights * (1 - value)).mean(), float(z0)


@pytest.mark.parametrize("loss", ["kto", "apo_zero_unpaired"])
@pytest.mark.parametrize(("good", "bad"), [(1.0, 1.0), (1.3, 0.7)])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-6), (torch.float32, 1e-4)], ids=["64", "32"])
@pytest.mark.parametrize("seed", [1, 3], ids=["KL above zero", "KL of zero"])
@pytest.mark.parametrize("answers", [ANSWERS, ANSWERS[::2], ANSWERS[:2]], ids=["four", "good ones alone", "two"])
def test_loss_and_gradient_are_those_of_the_paper(
    make_trainer: MakeTrainer,
    loss: str,
    good: float,
    bad: float,
    dtype: torch.dtype,
    tolerance: float,
    seed: int,
    answers: Any,
) -> None:
    settings = {"beta": BETA, "loss_type": loss, "desirable_weight": good, "undesirable_weight": bad}
    trainer = make_trainer("kto", ROWS, training={"per_device_train_batch_size": 3, **settings})
    rows: list[Row] = [
        {"prompt_ids": p, "completion_ids": c, "label": label, "KL_completion_ids": answers[index - 1][1]}
        for index, (p, c, label) in enumerate(answers)
    ]
    if loss != "kto":
        rows = [{name: value for name, value in row.items() if name != "KL_completion_ids"} for row in rows]
    policy, frozen = (Both(len(rows), 9, number, dtype=dtype) for number in (seed, seed + 10))
    trainer.ref_model = frozen
    value = trainer.compute_loss(policy, trainer.data_collator(rows))
    value.backward()
    exact = policy.logits.detach().double().requires_grad_()
    expected, z0 = reference(loss, exact, frozen.logits.detach().double(), answers, good, bad)
    expected.backward()
    assert relative_error(value.detach(), expected.detach()) < tolerance
    assert policy.logits.grad is not None
    assert exact.grad is not None
    assert relative_error(policy.logits.grad, exact.grad) < tolerance
    assert exact.grad.norm() > 1e-3
    if loss == "kto":
        assert trainer._metrics["train"]["kl"][-1] == pytest.approx(z0, rel=1e-4, abs=1e-6)


def test_the_reference_point_is_above_zero_in_one_of_these_cases_and_zero_in_another() -> None:
    points = []
    for seed in (1, 3):
        policy, frozen = (Logits(4, 9, number).logits.detach() for number in (seed, seed + 10))
        points.append(reference("kto", policy, frozen, ANSWERS, 1, 1)[1])
    assert min(points) == 0 < max(points)


def test_completions_go_round_within_a_batch_and_a_lone_row_takes_its_neighbours() -> None:
    assert kl_partners(6, 3) == [2, 0, 1, 5, 3, 4]
    assert kl_partners(5, 2) == [1, 0, 3, 2, 3]
    assert kl_partners(3, 8) == [2, 0, 1]
    assert kl_partners(3, 1) == [2, 0, 1]


def test_rows_are_paired_after_they_are_shuffled_and_the_seed_decides_their_order(make_trainer: MakeTrainer) -> None:
    rows = [{**ROWS[0], "completion": [assistant("x" * n)]} for n in range(1, 8)]
    trainer = make_trainer("kto", rows, training={"per_device_train_batch_size": 4, "seed": 3})
    made = list(trainer.train_dataset)
    own = [row["completion_ids"] for row in made]
    assert [row["KL_completion_ids"] for row in made] == [own[index] for index in (3, 0, 1, 2, 6, 4, 5)]
    again = make_trainer("kto", rows, training={"per_device_train_batch_size": 4, "seed": 3})
    other = make_trainer("kto", rows, training={"per_device_train_batch_size": 4, "seed": 4})
    assert own == list(again.train_dataset["completion_ids"])
    assert own != list(other.train_dataset["completion_ids"])
    assert list(trainer._get_train_sampler()) == list(range(7))
