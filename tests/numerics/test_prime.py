"""PRIME's advantages and its reward model's loss, against the formulas of arXiv 2502.01456, written out as loops."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from recipe_engine.runtime.errors import RunError
from recipe_engine.runtime.trainers.process_rewards import outcome_advantages, outside
from recipe_engine.runtime.trainers.rollout import RolloutTrainer
from tests.numerics.conftest import MakeTrainer
from tests.numerics.sampled import (
    COMPLETIONS,
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
from tests.numerics.test_ppo import policy_loss
from tests.runtime.support import Row

B, GROUP = len(COMPLETIONS), 4
NO_FILTER = {"accuracy_lower_bound": 0.0, "accuracy_upper_bound": 1.0}


def advantages_of(
    log_ratios: Tensor, scores: list[float], group: int, beta: float, process: float, outcome: float, norm: float
) -> Tensor:
    """Equation 5, whitened over tokens."""
    rewards = [[beta * float(log_ratios[row, t]) / norm for t in range(n)] for row, n in enumerate(LENGTHS)]
    raw = torch.zeros(B, LONGEST).double()
    for row, length in enumerate(LENGTHS):
        first = row - row % group
        others = [other for other in range(first, first + group) if other != row]
        baseline = sum(sum(rewards[o]) / len(rewards[o]) for o in others) / (group - 1)
        accuracy = scores[row] - sum(scores[o] for o in others) / (group - 1)
        for t in range(length):
            raw[row, t] = process * sum(rewards[row][s] - baseline for s in range(t, length)) + outcome * accuracy
    flat = torch.cat([raw[row, :length] for row, length in enumerate(LENGTHS)])
    white = (raw - flat.mean()) / flat.std()
    for row, length in enumerate(LENGTHS):
        white[row, length:] = 0
    return white


@pytest.mark.parametrize(
    ("settings", "group", "process", "outcome", "normed"),
    [
        ({}, 4, 5.0, 5.0, False),
        ({"process_reward_coef": 40.0, "outcome_reward_coef": 1.0}, 4, 40.0, 1.0, False),
        ({"num_generations": 2, "process_reward_coef": 0.0}, 2, 0.0, 5.0, False),
        ({"outcome_reward_coef": 0.0}, 4, 5.0, 0.0, False),
        ({"prime_norm": "batch_norm"}, 4, 5.0, 5.0, True),
    ],
    ids=["defaults", "process above all", "outcome alone, groups of two", "process alone", "normed as verl does"],
)
def test_advantages_are_those_of_the_paper(
    make_trainer: MakeTrainer,
    monkeypatch: pytest.MonkeyPatch,
    settings: Row,
    group: int,
    process: float,
    outcome: float,
    normed: bool,
) -> None:
    trainer = made(make_trainer, "prime", {"num_generations": group, **settings, **NO_FILTER})
    phi, frozen = random(B, LONGEST, seed=1) - 2, random(B, LONGEST, seed=2) - 2
    found = sampled(trainer, monkeypatch, said=phi, old=frozen, frozen=frozen, scores=SCORES)
    ratios = phi - frozen
    norm = 1.0
    if normed:
        sums = [abs(0.05 * float(ratios[row, t:n].sum())) for row, n in enumerate(LENGTHS) for t in range(n)]
        norm = max(sums) + 1e-6
    expected = advantages_of(ratios, SCORES, group, 0.05, process, outcome, norm)
    assert relative_error(found["advantages"], expected) < 1e-6


def test_equal_completions_of_a_prompt_teach_nothing_by_their_outcome(
    make_trainer: MakeTrainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = made(make_trainer, "prime", {"num_generations": 4, **NO_FILTER})
    same = random(B, LONGEST, seed=1)
    found = sampled(trainer, monkeypatch, said=same, old=same, frozen=same, scores=[1.0] * 4 + [0.0] * 4)
    assert not found["advantages"].any()


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-6), (torch.float32, 1e-4)], ids=["64", "32"])
@pytest.mark.parametrize("beta", [0.05, 0.7])
def test_losses_and_gradients_of_both_models_are_those_of_the_paper(
    make_trainer: MakeTrainer, beta: float, dtype: torch.dtype, tolerance: float
) -> None:
    trainer = made(make_trainer, "prime", {"num_generations": 4, "beta_train": beta, **NO_FILTER})
    frozen = random(B, LONGEST, seed=3, scale=0.5) - 2
    _, ids, mask = round_of(frozen, frozen)
    pair = Pair(ids, random(B, ids.shape[1] - 1, seed=4) - 2, dtype=dtype)
    logits = pair.policy.logits.detach().double().requires_grad_()
    phi = pair.said.detach().double().requires_grad_()
    old = of_completions(logits.detach() + random(*logits.shape, seed=5, scale=0.6), ids)
    inputs, _, _ = round_of(frozen.to(dtype), old.to(dtype))
    advantages, accuracy = random(B, LONGEST, seed=6) * mask, torch.tensor(SCORES).double()
    extra = {"advantages": advantages.to(dtype), "accuracy": accuracy.to(dtype)}
    loss = trainer.compute_loss(pair, inputs | extra)
    loss.backward()

    expected = policy_loss(of_completions(logits, ids), old, advantages, 0.2, 0.2)
    for row, length in enumerate(LENGTHS):  # equation 4
        score = beta * sum(phi[:, -LONGEST:][row, t] - frozen[row, t] for t in range(length))
        right = 1 / (1 + torch.exp(-score))
        expected = expected - (SCORES[row] * right.log() + (1 - SCORES[row]) * (1 - right).log()) / B
    expected.backward()
    assert relative_error(loss.detach(), expected.detach()) < tolerance
    for found, exact in ((pair.policy.logits, logits), (pair.said, phi)):
        assert found.grad is not None
        assert exact.grad is not None
        assert exact.grad.norm() > 1e-3
        assert relative_error(found.grad, exact.grad) < tolerance


def test_rewards_that_are_no_accuracy_are_an_error(make_trainer: MakeTrainer, monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = made(make_trainer, "prime", {"num_generations": 4})
    same = random(B, LONGEST, seed=1)
    with pytest.raises(RunError, match="an accuracy from 0 to 1, and the rewards sum up to 1"):
        sampled(trainer, monkeypatch, said=same, old=same, frozen=same, scores=[1.5, *SCORES[1:]])


@pytest.mark.parametrize(
    ("scores", "expected"),
    [([0.0, 0.0, 0.0, 0.0, 0.0], True), ([1.0, 0.0, 0.0, 0.0, 0.0], False), ([1.0] * 4 + [0.0], False)],
)
def test_bounds_belong_to_what_is_kept(scores: list[float], expected: bool) -> None:
    assert outside(torch.tensor(scores), 5, 0.2, 0.8).tolist() == [expected]


class TestFilter:
    def refilled(
        self, make_trainer: MakeTrainer, monkeypatch: pytest.MonkeyPatch, rounds: list[list[float]], factor: int
    ) -> tuple[dict[str, Tensor], Any, int]:
        """A round of these scores, and further ones: what is trained on, the trainer, and the rounds sampled."""
        trainer = made(make_trainer, "prime", {"num_generations": 2, "oversample_factor": factor})
        count = 0

        def given(self: Any, rows: list[Row]) -> Row:
            nonlocal count
            scores, first, count = rounds[count], 10 * count, count + 1
            self.rewards = torch.tensor(scores).unsqueeze(1)
            for column in ("prompt", "completion"):
                self._logs[column].extend(range(first, first + len(scores)))
            width = 1 + count  # every round has another width
            marks = torch.arange(first, first + len(scores)).unsqueeze(1)
            mask = torch.ones(len(scores), width, dtype=torch.long)
            ids = marks.expand(-1, width).contiguous()
            named = {"prompt_ids": ids, "completion_ids": ids.clone(), "prompt_mask": mask, "completion_mask": mask}
            return {name: value.clone() for name, value in named.items()}

        monkeypatch.setattr(RolloutTrainer, "sample", given)
        rows = [trainer.train_dataset[n // 2] for n in range(len(rounds[0]))]
        batch = given(trainer, rows)
        trainer._refill(batch, rows)
        return batch, trainer, count

    def test_prompts_outside_the_bounds_are_replaced(
        self, make_trainer: MakeTrainer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        first = [1.0, 0.0, 1.0, 1.0, 0.0, 1.0, 0.0, 0.0]  # the second and the fourth prompt teach nothing
        further = [1.0, 1.0, 0.0, 1.0, 1.0, 1.0, 0.0, 0.0], [1.0, 0.0, 0.0, 1.0, 1.0, 0.0, 1.0, 0.0]
        out, trainer, rounds = self.refilled(make_trainer, monkeypatch, [first, *further], 4)
        assert rounds == 3
        assert out["completion_ids"][:, 0].tolist() == [0, 1, 12, 13, 4, 5, 20, 21]
        assert trainer.scores().tolist() == [1.0, 0.0, 0.0, 1.0, 0.0, 1.0, 1.0, 0.0]
        assert out["completion_mask"].sum(1).tolist() == [2, 2, 3, 3, 2, 2, 4, 4]
        assert out["prompt_mask"][0].tolist() == [0, 0, 1, 1]
        assert out["completion_mask"][0].tolist() == [1, 1, 0, 0]
        assert out["num_items_in_batch"] == 22
        assert list(trainer._logs["completion"]) == [0, 1, 12, 13, 4, 5, 20, 21]
        logged = trainer._metrics["train"]
        assert (logged["filter/outside"], logged["filter/left"], logged["sampling/rounds"]) == ([0.5], [0.0], [3])

    def test_no_more_is_drawn_than_the_factor_allows(
        self, make_trainer: MakeTrainer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        out, trainer, rounds = self.refilled(make_trainer, monkeypatch, [[1.0] * 8, [0.0] * 8, [0.0] * 8], 2)
        assert rounds == 2
        assert out["completion_ids"][:, 0].tolist() == list(range(8))
        assert trainer._metrics["train"]["filter/left"] == [1.0]

    def test_a_factor_of_one_draws_nothing(self, make_trainer: MakeTrainer, monkeypatch: pytest.MonkeyPatch) -> None:
        assert self.refilled(make_trainer, monkeypatch, [[1.0] * 8], 1)[2] == 1


def test_a_completion_that_is_alone_has_no_baseline() -> None:
    """As in evaluation with ``num_generations_eval: 1``."""
    accuracy = torch.tensor([1.0, 0.0])
    assert outcome_advantages(accuracy, 1).tolist() == [1.0, 0.0]
