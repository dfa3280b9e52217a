"""What the trainer makes of a round: advantages by its settings, the penalty in the reward, the greedy baseline, and
evaluation that samples in a way of its own.
"""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor
from trl import GRPOTrainer

from recipe_engine.runtime.trainers import advantages as estimate
from tests.numerics.conftest import MakeTrainer
from tests.numerics.support import relative_error
from tests.runtime.support import Row, user

ROWS = [{"prompt": [user(f"Repeat: {n}")]} for n in range(16)]
TWO_REWARDS = [
    {"type": "length", "unit": "tokens", "max": 2, "slope": 9},
    {"type": "length", "name": "other", "unit": "characters", "max": 2, "slope": 60, "weight": 0.5},
]
GIVEN = [[0.0, 2.0], [1.0, 1.0], [0.5, math.nan], [0.25, 0.0], [3.0, 1.0], [3.0, 1.0], [math.nan, math.nan], [1.0, 2.0]]


def made(make_trainer: MakeTrainer, algorithm: str, settings: Row, **blocks: Any) -> Any:
    training = {"num_generations": 4, "per_device_train_batch_size": 8, "max_completion_length": 6, **settings}
    blocks = {"data": {"max_length": 64}, "rewards": TWO_REWARDS, **blocks}
    return make_trainer(algorithm, ROWS, training=training, **blocks)


def round_of(trainer: Any) -> list[Row]:
    group = trainer.num_generations
    return [trainer.train_dataset[index // group] for index in range(8)]


def give_rewards(monkeypatch: pytest.MonkeyPatch, rewards: list[list[float]]) -> None:
    def given(self: Any, inputs: Any, *_: Any) -> Tensor:
        return torch.tensor(rewards)[: len(inputs)]

    monkeypatch.setattr(GRPOTrainer, "_calculate_rewards", given)


@pytest.mark.parametrize(
    "settings",
    [
        *({"scale_rewards": scale} for scale in ("group", "batch", "none", True, False)),
        {"multi_objective_aggregation": "normalize_then_sum"},
    ],
    ids=str,
)
def test_the_advantages_of_grpo_are_those_of_trl(
    make_trainer: MakeTrainer, monkeypatch: pytest.MonkeyPatch, settings: Row
) -> None:
    trainer = made(make_trainer, "grpo", settings)
    give_rewards(monkeypatch, GIVEN)
    batch = trainer.sample(round_of(trainer))
    assert batch["advantages"].abs().max() > 0.1
    assert relative_error(trainer.advantages(batch, round_of(trainer)), batch["advantages"]) < 1e-6


def round_with_penalty(
    make_trainer: MakeTrainer, monkeypatch: pytest.MonkeyPatch, algorithm: str, **settings: Any
) -> Any:
    """A trainer whose policy has moved away from its reference model, and the batch of a round."""
    trainer = made(make_trainer, algorithm, {"beta": 0.3, **settings})
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for weight in trainer.model.parameters():
            weight += 0.02 * torch.randn(weight.shape, generator=generator)
    give_rewards(monkeypatch, [[float(k), 0.0] for k in range(8)])
    return trainer, trainer._generate_and_score_completions(round_of(trainer))


def divergences(trainer: Any, batch: Row) -> Tensor:
    """log pi - log pi_ref of each token, in float64."""
    policy = trainer.sampled_log_probs(batch)
    return (policy.double() - batch["ref_per_token_logps"].double()) * batch["completion_mask"]


@pytest.mark.parametrize(
    ("kind", "formula"),
    [("k1", lambda r: r), ("k2", lambda r: r**2 / 2), ("k3", lambda r: torch.exp(-r) - 1 + r), ("abs", torch.abs)],
)
def test_the_penalty_of_a_completion_is_taken_from_its_reward(
    make_trainer: MakeTrainer, monkeypatch: pytest.MonkeyPatch, kind: str, formula: Any
) -> None:
    """RLOO: leave-one-out advantages of R - beta sum_t KL_t (arXiv 2402.14740)."""
    trainer, batch = round_with_penalty(make_trainer, monkeypatch, "rloo", kl_type=kind)
    kl = formula(divergences(trainer, batch)) * batch["completion_mask"]
    assert kl.abs().max() > 1e-3
    scores = torch.arange(8, dtype=torch.float64) - 0.3 * kl.sum(dim=1)
    expected = torch.stack([r - (g.sum() - r) / 3 for g in scores.view(2, 4) for r in g])
    assert relative_error(batch["advantages"], expected) < 1e-4
    logged = trainer._metrics["train"]["kl"][0]
    assert logged == pytest.approx(float(kl.sum() / batch["completion_mask"].sum()), rel=1e-4)


def test_the_penalty_of_a_token_is_part_of_its_return(
    make_trainer: MakeTrainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """REINFORCE++ (arXiv 2501.03262): r_t = -beta KL_t, and R more at the last token; returns are discounted."""
    trainer, batch = round_with_penalty(make_trainer, monkeypatch, "reinforce_plus_plus", gamma=0.9)
    mask, kl = batch["completion_mask"], divergences(trainer, batch)
    rows: list[list[float]] = []
    for number in range(8):
        length = int(mask[number].sum())
        rewards = [-0.3 * float(kl[number, t]) for t in range(length)]
        rewards[-1] += number
        rows.append([sum(0.9 ** (k - t) * rewards[k] for k in range(t, length)) for t in range(length)])
    tokens = torch.tensor([value for row in rows for value in row], dtype=torch.float64)
    expected = torch.zeros(mask.shape, dtype=torch.float64)
    for number, row in enumerate(rows):
        expected[number, : len(row)] = (torch.tensor(row, dtype=torch.float64) - tokens.mean()) / tokens.std()
    assert relative_error(batch["advantages"], expected) < 1e-4


def test_a_penalty_in_the_reward_is_not_in_the_loss_too(
    make_trainer: MakeTrainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer, batch = round_with_penalty(make_trainer, monkeypatch, "rloo")
    loss = trainer.compute_loss(trainer.model, batch)
    advantages = batch["advantages"][:, None] * batch["completion_mask"]
    assert float(loss.detach()) == pytest.approx(-float(advantages.sum() / batch["completion_mask"].sum()), abs=1e-5)


def test_remax_compares_with_the_greedy_completion(make_trainer: MakeTrainer, monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = made(make_trainer, "remax", {"num_generations": 1})
    batch = trainer._generate_and_score_completions(round_of(trainer))
    monkeypatch.setattr(trainer, "generation_kwargs", {**trainer.generation_kwargs, "do_sample": False})
    trainer.generation_config.do_sample = False
    given = trainer.rewards
    trainer.sample(round_of(trainer))  # greedily now
    weights = trainer.reward_weights
    expected = (given * weights).sum(1) - (trainer.rewards * weights).sum(1)
    assert expected.abs().max() > 0.01
    mask = batch["completion_mask"]
    assert relative_error(batch["advantages"], expected[:, None] * mask) < 1e-6
    assert trainer._metrics["train"]["reward_greedy"][0] == pytest.approx(
        float((trainer.rewards * weights).sum(1).mean())
    )


def test_the_greedy_pass_leaves_no_trace_in_the_metrics_of_the_round(make_trainer: MakeTrainer) -> None:
    trainer = made(make_trainer, "remax", {"num_generations": 1})
    trainer._generate_and_score_completions(round_of(trainer))
    counts = {name: len(values) for name, values in trainer._metrics["train"].items()}
    assert set(counts.values()) == {1}, counts
    assert len(trainer._logs["advantages"]) == len(trainer._logs["prompt"]) == 8


@pytest.mark.parametrize("algorithm", ["remax", "reinforce_plus_plus"])
def test_one_completion_of_each_prompt_is_enough(make_trainer: MakeTrainer, algorithm: str) -> None:
    trainer = made(make_trainer, algorithm, {"num_generations": 1})
    assert (trainer.num_generations, trainer.args.num_generations) == (1, 1)
    sampler = trainer._get_train_sampler()
    assert len(set(list(sampler)[:8])) == 8
    batch = trainer._generate_and_score_completions(round_of(trainer))
    assert batch["advantages"].shape == batch["completion_mask"].shape
    assert trainer.compute_loss(trainer.model, batch).isfinite()


@pytest.mark.parametrize(
    "algorithm", ["grpo", "dr_grpo", "cispo", "rloo", "opo", "gpg", "reinforce_plus_plus_baseline"]
)
def test_truncated_completions_that_are_masked_are_no_nan(make_trainer: MakeTrainer, algorithm: str) -> None:
    """A random model hardly ever ends its completion, so nearly every one is masked."""
    trainer = made(make_trainer, algorithm, {"mask_truncated_completions": True})
    batch = trainer._generate_and_score_completions(round_of(trainer))
    assert not batch["completion_mask"].any(dim=1).all()
    assert batch["advantages"].isfinite().all()
    loss = trainer.compute_loss(trainer.model, batch)
    loss.backward()
    assert loss.isfinite()
    assert all(weight.grad.isfinite().all() for weight in trainer.model.parameters())


class TestEvaluation:
    def completions(self, trainer: Any) -> Tensor:
        found: Tensor = trainer._generate_and_score_completions(round_of(trainer))["completion_ids"]
        return found

    def evaluated(self, make_trainer: MakeTrainer, **settings: Any) -> Any:
        evaluated = {"eval_strategy": "steps", "eval_steps": 1, "per_device_eval_batch_size": 8, **settings}
        return made(make_trainer, "grpo", evaluated, data={"max_length": 64, "eval_holdout": 4})

    def test_temperature_0_takes_the_most_likely_token(self, make_trainer: MakeTrainer) -> None:
        trainer = self.evaluated(make_trainer, eval_temperature=0.0)
        trainer.model.eval()
        groups = self.completions(trainer).view(2, 4, -1)
        assert all(torch.equal(one, group[0]) for group in groups for one in group)

    def test_training_goes_on_as_before(self, make_trainer: MakeTrainer) -> None:
        trainer = self.evaluated(make_trainer, eval_temperature=0.0)
        before = trainer.generation_config
        trainer.model.eval()
        self.completions(trainer)
        trainer.model.train()
        assert trainer.generation_config is before
        groups = self.completions(trainer).view(2, 4, -1)
        assert not all(torch.equal(one, group[0]) for group in groups for one in group)

    @pytest.mark.parametrize(
        ("setting", "value"), [("eval_top_k", 1), ("eval_top_p", 1e-6), ("eval_temperature", 1e-4)]
    )
    def test_a_narrow_choice_is_greedy(self, make_trainer: MakeTrainer, setting: str, value: float) -> None:
        trainer = self.evaluated(make_trainer, **{setting: value})
        trainer.model.eval()
        groups = self.completions(trainer).view(2, 4, -1)
        assert all(torch.equal(one, group[0]) for group in groups for one in group)

    def test_it_may_sample_fewer_completions_and_run_before_training(self, make_trainer: MakeTrainer) -> None:
        trainer = self.evaluated(make_trainer, num_generations_eval=2, eval_on_start=True)
        assert trainer.args.eval_on_start
        found = trainer.evaluate()
        assert math.isfinite(found["eval_loss"])
        assert "eval_reward" in found


def test_the_estimators_of_the_settings_are_those_of_the_module(
    make_trainer: MakeTrainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    scores = torch.tensor([[float(k % 3), 0.0] for k in range(8)])
    expected = {
        "opo": lambda batch: estimate.optimal_baseline(scores[:, 0], batch["completion_mask"].sum(1), 4),
        "gpg": lambda batch: estimate.group_policy_gradient(scores[:, 0], 4),
        "rloo": lambda batch: estimate.leave_one_out(scores[:, 0], 4),
    }
    for name, formula in expected.items():
        settings = {"beta": 0.0, "kl_in_reward": False} if name == "rloo" else {}
        trainer = made(make_trainer, name, settings)
        give_rewards(monkeypatch, scores.tolist())
        batch = trainer._generate_and_score_completions(round_of(trainer))
        assert relative_error(batch["advantages"], formula(batch)) < 1e-6, name
