"""The reward model's loss against the formulas of the papers, written out here, from the scores to the last weight."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from transformers.utils import ModelOutput

from tests.numerics.conftest import MakeTrainer
from tests.numerics.support import relative_error
from tests.runtime.support import Row, assistant, user

ROWS = [
    {"prompt": [user("a")], "chosen": [assistant("b c")], "rejected": [assistant("d")], "margin": 0.5},
    {"prompt": [user("e f g")], "chosen": [assistant("h")], "rejected": [assistant("i j k l")], "margin": 0.0},
    {"prompt": [user("m")], "chosen": [assistant("n")], "rejected": [assistant("o")], "margin": 2},
]
# prompt, chosen and rejected tokens, and the margin
PAIRS = [([1, 2, 3], [4, 5, 6], [9], 0.7), ([1], [2], [3, 4], None), ([5], [7], [8], 1.3), ([], [3], [4], -0.2)]
CASES: list[tuple[Row, dict[str, float]]] = [
    ({}, {}),
    ({"center_rewards_coefficient": 0.1}, {"centring": 0.1}),
    ({"label_smoothing": 0.2}, {"smoothing": 0.2}),
    ({"label_smoothing": 0.2, "center_rewards_coefficient": 0.1}, {"smoothing": 0.2, "centring": 0.1}),
]


class Scores(nn.Module):
    """A reward model of fixed sequences: a score for each token of each row."""

    def __init__(self, rows: int, length: int, dtype: torch.dtype) -> None:
        super().__init__()
        values = torch.randn(rows, length, 1, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
        self.values = nn.Parameter((3 * values).to(dtype))
        self.score = nn.Identity()

    def forward(self, **_: Any) -> ModelOutput:
        return ModelOutput(logits=self.score(self.values)[:, 0])


def reference(
    chosen: Tensor, rejected: Tensor, margins: Tensor, *, smoothing: float = 0.0, centring: float = 0.0
) -> Tensor:
    """The mean over pairs of the loss in arXiv 2307.09288 (equation 2), 2401.06080 and 2312.09244 (equation 2)."""

    def bradley_terry(difference: Tensor) -> Tensor:
        return torch.log(1 + torch.exp(-difference))

    difference = chosen - rejected - margins
    losses = (1 - smoothing) * bradley_terry(difference) + smoothing * bradley_terry(-difference)
    return (losses + centring * (chosen + rejected) ** 2).mean()


@pytest.mark.parametrize(("settings", "named"), CASES, ids=["plain", "centred", "smoothed", "both"])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-6), (torch.float32, 1e-4)], ids=["64", "32"])
@pytest.mark.parametrize("pairs", [PAIRS, PAIRS[:1], PAIRS[1:2]], ids=["four", "one", "one without a margin"])
def test_loss_and_gradient_are_those_of_the_papers(
    make_trainer: MakeTrainer, settings: Row, named: dict[str, float], dtype: torch.dtype, tolerance: float, pairs: Any
) -> None:
    trainer = make_trainer("reward_model", ROWS, training=settings)
    rows = [{"prompt_ids": p, "chosen_ids": c, "rejected_ids": r, "margin": m} for p, c, r, m in pairs]
    batch = trainer.data_collator(rows)
    model = Scores(*batch["input_ids"].shape, dtype)
    value = trainer.compute_loss(model, batch)
    value.backward()
    exact = model.values.detach().double().requires_grad_()
    count = len(pairs)
    chosen = torch.stack([exact[i, len(p) + len(c) - 1, 0] for i, (p, c, _, _) in enumerate(pairs)])
    rejected = torch.stack([exact[count + i, len(p) + len(r) - 1, 0] for i, (p, _, r, _) in enumerate(pairs)])
    margins = torch.tensor([m or 0.0 for *_, m in pairs], dtype=torch.float64)
    expected = reference(chosen, rejected, margins, **named)
    expected.backward()
    assert relative_error(value.detach(), expected.detach()) < tolerance
    assert model.values.grad is not None
    assert exact.grad is not None
    assert exact.grad.norm() > 1e-3
    assert relative_error(model.values.grad, exact.grad) < tolerance


@pytest.mark.parametrize("pad", [0, 1], ids=["a pad token", "padding with the end"])
def test_a_real_model_gets_the_gradient_of_each_row_alone(make_trainer: MakeTrainer, pad: int) -> None:
    """Without padding, row by row, in float64: so neither padding nor what pads can matter."""
    trainer = make_trainer("reward_model", ROWS, training={"center_rewards_coefficient": 0.05})
    trainer.data_collator = type(trainer.data_collator)(pad)
    trainer.model.config.pad_token_id = pad
    rows = list(trainer.train_dataset)
    exact = copy.deepcopy(trainer.model).double()
    value = trainer.compute_loss(trainer.model, trainer.data_collator(rows))
    value.backward()

    def score(row: Row, key: str) -> Tensor:
        hidden = exact.model(torch.tensor([row["prompt_ids"] + row[key]])).last_hidden_state
        found: Tensor = exact.score(hidden[0, -1])[0]
        return found

    chosen, rejected = (torch.stack([score(row, key) for row in rows]) for key in ("chosen_ids", "rejected_ids"))
    margins = torch.tensor([row["margin"] for row in rows], dtype=torch.float64)
    assert margins.tolist() == [0.5, 0.0, 2.0]
    expected = reference(chosen, rejected, margins, centring=0.05)
    expected.backward()
    assert relative_error(value.detach(), expected.detach()) < 1e-4
    for (name, parameter), twin in zip(trainer.model.named_parameters(), exact.parameters(), strict=True):
        assert relative_error(parameter.grad, twin.grad) < 1e-4, name
