"""The process reward model's loss against its formula: at the placeholders, among the reward tokens, over all steps."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers.utils import ModelOutput

from tests.numerics.conftest import MakeTrainer
from tests.numerics.support import Logits, relative_error
from tests.runtime.support import Row

SETTINGS = {"placeholder_token": "#", "reward_tokens": ["+", "-"]}
ROWS: list[Row] = [
    {"input": "1 + 1 = 2 #\n2 + 2 = 5 #", "label": "1 + 1 = 2 +\n2 + 2 = 5 -"},
    {"input": "2 # 3 # 4 #", "label": [0.9, None, 0.2]},
    {"input": "x #", "label": ["-"]},
]
# length, positions, targets
STEPS = [(7, [2, 6], [[1.0, 0.0], [0.3, 0.7]]), (3, [1], [[0.0, 1.0]]), (5, [0, 1, 4], [[0.5, 0.5], [1, 0], [0, 1]])]
POSITIVE, NEGATIVE = 3, 8


class AtPlaceholders(Logits):
    """A language model of fixed sequences that gives logits of all positions, or of those asked for."""

    def forward(self, input_ids: Tensor, logits_to_keep: Tensor | None = None, **_: Any) -> ModelOutput:
        return ModelOutput(logits=self.logits if logits_to_keep is None else self.logits[:, logits_to_keep])


def reference(logits: Tensor, steps: Any) -> Tensor:
    """-sum over steps of p log q_+ + (1 - p) log q_-, by the number of steps; q: softmax of two logits at the place."""
    losses = []
    for index, (_, positions, targets) in enumerate(steps):
        for position, (positive, negative) in zip(positions, targets, strict=True):
            good, bad = logits[index, position, POSITIVE].exp(), logits[index, position, NEGATIVE].exp()
            losses.append(-(positive * (good / (good + bad)).log() + negative * (bad / (good + bad)).log()))
    return torch.stack(losses).mean()


@pytest.mark.parametrize("steps", [STEPS, STEPS[:1], STEPS[1:2]], ids=["three rows", "one", "one step"])
@pytest.mark.parametrize("keeps", [True, False], ids=["logits of the places", "all logits"])
def test_loss_and_gradient_are_those_of_the_formula(make_trainer: MakeTrainer, steps: Any, keeps: bool) -> None:
    trainer = make_trainer("process_reward", ROWS, training=SETTINGS)
    trainer.reward_ids, trainer.keeps_logits = [POSITIVE, NEGATIVE], keeps
    rows = [{"input_ids": [1] * n, "positions": p, "targets": t} for n, p, t in steps]
    batch = trainer.data_collator(rows)
    model = AtPlaceholders(*batch["input_ids"].shape, 1)
    value = trainer.compute_loss(model, batch)
    value.backward()
    exact = model.logits.detach().requires_grad_()
    expected = reference(exact, steps)
    expected.backward()
    assert relative_error(value.detach(), expected.detach()) < 1e-6
    assert model.logits.grad is not None
    assert exact.grad is not None
    assert exact.grad.norm() > 1e-3
    assert relative_error(model.logits.grad, exact.grad) < 1e-6


def test_micro_batches_add_up_to_the_mean_over_all_steps(make_trainer: MakeTrainer) -> None:
    trainer = make_trainer("process_reward", ROWS, training=SETTINGS)
    rows = list(trainer.train_dataset)
    batches = [trainer.data_collator(rows[:1]), trainer.data_collator(rows[1:])]
    count = trainer._get_num_items_in_batch(batches, torch.device("cpu"))
    assert count == sum(len(row["positions"]) for row in rows) == 5
    parts = [trainer.compute_loss(trainer.model, batch, num_items_in_batch=count) for batch in batches]
    whole = trainer.compute_loss(trainer.model, trainer.data_collator(rows))
    assert sum(part.item() for part in parts) == pytest.approx(whole.item(), rel=1e-5)


def test_a_real_model_gets_the_gradient_of_the_formula(make_trainer: MakeTrainer) -> None:
    trainer = make_trainer("process_reward", ROWS, training=SETTINGS)
    rows, ids = list(trainer.train_dataset), trainer.reward_ids
    exact = copy.deepcopy(trainer.model)
    del exact.forward
    exact = exact.double()
    value = trainer.compute_loss(trainer.model, trainer.data_collator(rows))
    value.backward()
    losses = []
    for row in rows:
        logits = exact(input_ids=torch.tensor([row["input_ids"]])).logits[0]
        for position, target in zip(row["positions"], row["targets"], strict=True):
            assert row["input_ids"][position] == trainer.processing_class.convert_tokens_to_ids("#")
            q = logits[position, ids].softmax(-1)
            losses.append(-sum(t * q[k].log() for k, t in enumerate(target)))
    expected = torch.stack(losses).mean()
    expected.backward()
    assert [len(row["positions"]) for row in rows] == [2, 2, 1]
    assert relative_error(value.detach(), expected.detach()) < 1e-4
    for (name, parameter), twin in zip(trainer.model.named_parameters(), exact.parameters(), strict=True):
        assert relative_error(parameter.grad, twin.grad) < 1e-4, name
