"""Groups whose rewards are all equal are drawn again from other prompts (arXiv 2503.14476)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas
import pytest
import torch
from trl import GRPOTrainer

from recipe_engine.runtime.errors import RunError
from recipe_engine.runtime.worker import train
from tests.fork_server import ForkServer
from tests.numerics.conftest import MakeTrainer, make_trainer  # noqa: F401
from tests.numerics.one_step import Cut, _completions, assert_same, cuts_of, gradients, watched
from tests.runtime.support import Row, compiled, logged, user, write_rows

ROWS = [{"prompt": [user(f"{'Oh ' * (n % 4)}Repeat: {n}")]} for n in range(40)]
NO_REWARD = [{"type": "length", "unit": "tokens", "max": 64}]
# Completions have 1 to 8 tokens, by their prompt: only those of 8 are punished, and not every group has one.
SOMETIMES = [{"type": "length", "unit": "tokens", "max": 7, "slope": 1}]


def number_of(row: Row) -> int:
    return int(row["prompt"][0]["content"].split()[-1])


@pytest.fixture
def sampled(make_trainer: MakeTrainer, monkeypatch: pytest.MonkeyPatch) -> Any:  # noqa: F811
    """A trainer of 4 prompts a round, whose odd prompts have rewards with spread."""

    def rewards(self: Any, inputs: list[Row], *_: Any) -> torch.Tensor:
        return torch.tensor([[float(number_of(row) % 2 * k % 3)] for k, row in enumerate(inputs)])

    def make(rows: list[Row] = ROWS, **settings: Any) -> Any:
        monkeypatch.setattr(GRPOTrainer, "_calculate_rewards", rewards)
        monkeypatch.setattr(GRPOTrainer, "_generate_single_turn", _completions)  # of several lengths
        training = {
            "num_generations": 4,
            "per_device_train_batch_size": 16,
            "max_completion_length": 4,
            **settings,
        }
        return make_trainer("dapo", rows, training=training, data={"max_length": 64}, rewards=NO_REWARD)

    return make


def numbers_in(trainer: Any, batch: Row) -> list[int]:
    texts = trainer.processing_class.batch_decode(batch["prompt_ids"], skip_special_tokens=True)
    return [int("".join(char for char in text if char.isdigit())) for text in texts]


def round_of(trainer: Any, *numbers: int) -> list[Row]:
    return [trainer.train_dataset[number] for number in numbers for _ in range(4)]


def test_groups_without_spread_are_replaced_by_groups_of_other_prompts(sampled: Any) -> None:
    trainer = sampled()
    batch = trainer._generate_and_score_completions(round_of(trainer, 0, 1, 2, 4))
    numbers = numbers_in(trainer, batch)
    assert numbers[4:8] == [1] * 4
    assert all(number % 2 for number in numbers)
    assert len(set(numbers)) == 4
    assert [len(set(numbers[start : start + 4])) for start in range(0, 16, 4)] == [1] * 4
    credit = batch["advantages"].view(4, 4)
    assert (credit.abs().amax(dim=1) > 0.1).all()
    assert int(batch["num_items_in_batch"]) == int(batch["completion_mask"].sum())
    for mask, padded_first in ((batch["prompt_mask"], True), (batch["completion_mask"], False)):
        assert mask.sum(dim=1).unique().numel() > 1
        assert torch.equal(mask, mask.sort(dim=1, descending=not padded_first).values)
    metrics = trainer._metrics["train"]
    assert metrics["sampling/rounds"][0] > 1
    assert metrics["sampling/unfilled_groups"] == [0]
    assert 0 < metrics["groups_without_spread"][0] < 1


def test_a_round_with_spread_everywhere_is_sampled_once(sampled: Any) -> None:
    trainer = sampled()
    batch = trainer._generate_and_score_completions(round_of(trainer, 1, 3, 5, 7))
    assert numbers_in(trainer, batch)[::4] == [1, 3, 5, 7]
    assert trainer._metrics["train"]["sampling/rounds"] == [1]
    assert trainer._metrics["train"]["groups_without_spread"] == [0]


def test_what_is_drawn_follows_from_the_seed_and_the_step(sampled: Any) -> None:
    found = []
    for step, seed in ((0, 42), (0, 42), (3, 42), (0, 43)):
        trainer = sampled(seed=seed)
        trainer.state.global_step = step
        found.append(numbers_in(trainer, trainer._generate_and_score_completions(round_of(trainer, 0, 2, 4, 6))))
    assert found[0] == found[1]
    assert len({tuple(numbers) for numbers in found}) == 3


def test_after_the_bound_the_round_is_trained_on_as_it_is(sampled: Any) -> None:
    trainer = sampled([{"prompt": [user(f"Repeat: {2 * n}")]} for n in range(40)], max_sampling_rounds=3)
    batch = trainer._generate_and_score_completions(round_of(trainer, 0, 1, 2, 3))
    assert numbers_in(trainer, batch)[::4] == [0, 2, 4, 6]
    assert float(batch["advantages"].abs().sum()) == 0
    assert trainer._metrics["train"]["sampling/rounds"] == [3]
    assert trainer._metrics["train"]["sampling/unfilled_groups"] == [4]
    assert trainer._metrics["train"]["groups_without_spread"] == [1]


def test_after_the_bound_the_run_stops_where_the_recipe_says_so(sampled: Any) -> None:
    rows = [{"prompt": [user(f"Repeat: {2 * n}")]} for n in range(40)]
    trainer = sampled(rows, max_sampling_rounds=3, unfilled_rounds="error")
    with pytest.raises(RunError, match="after 3 rounds of sampling 4 groups still have no spread") as caught:
        trainer._generate_and_score_completions(round_of(trainer, 0, 1, 2, 3))
    assert "max_sampling_rounds" in str(caught.value.hint)


def test_a_small_dataset_runs_out_of_other_prompts(sampled: Any) -> None:
    trainer = sampled(ROWS[:9])
    batch = trainer._generate_and_score_completions(round_of(trainer, 0, 1, 2, 4))
    assert trainer._metrics["train"]["sampling/rounds"] == [2]  # five prompts are left: one whole round
    assert numbers_in(trainer, batch)[4] == 1


def test_evaluation_takes_its_prompts_as_they_are(sampled: Any) -> None:
    trainer = sampled()
    trainer.model.eval()
    batch = trainer._generate_and_score_completions(round_of(trainer, 0, 2))
    assert numbers_in(trainer, batch)[::4] == [0, 2]
    assert not any(name.startswith("sampling/") for name in trainer._metrics["eval"])


def test_a_step_has_one_gradient_however_it_is_cut(ranks: ForkServer, tmp_path: Path) -> None:
    blocks: dict[str, Any] = {
        "group": 4,
        "data": {"max_length": 64},
        "rewards": SOMETIMES,
        "training": {"max_completion_length": 8},
    }
    cuts = cuts_of(16)
    expected = gradients(ranks, tmp_path / "whole", "dapo", ROWS, cuts.pop("whole"), **blocks)
    for name, cut in cuts.items():
        assert_same(gradients(ranks, tmp_path / name, "dapo", ROWS, cut, **blocks), expected)


def test_the_table_of_completions_is_that_of_the_round_that_is_trained_on(tmp_path: Path) -> None:
    training = {
        "num_generations": 4,
        "per_device_train_batch_size": 16,
        "max_completion_length": 8,
        "max_steps": 1,
        "log_completions": True,
    }
    name = write_rows(tmp_path / "rows.jsonl", ROWS)
    run = compiled(tmp_path, "dapo", {"name": name}, training=training, data={"max_length": 64}, rewards=SOMETIMES)
    with watched(run):
        train(run)
    assert logged(run, "sampling/rounds")[0] > 1
    (file,) = (tmp_path / "out" / "completions").glob("*.parquet")
    table = pandas.read_parquet(file)
    for start in range(0, 16, 4):
        group = table[start : start + 4]
        assert len({str(prompt) for prompt in group["prompt"]}) == 1
        assert group["length"].nunique() > 1
        assert (group["advantage"][group["length"] == group["length"].max()] > 0).all()


def test_a_group_may_come_from_another_process_than_it_goes_to(ranks: ForkServer, tmp_path: Path) -> None:
    """Groups of 4 on two processes of 6 rows: the second group is on both."""
    cut = Cut(6, processes=2)
    blocks: dict[str, Any] = {"data": {"max_length": 64}, "rewards": SOMETIMES}
    training = {"max_completion_length": 8, "log_completions": True}
    gradients(ranks, tmp_path / "ranks", "dapo", ROWS, cut, group=4, training=training, **blocks)
    (file,) = (tmp_path / "ranks" / "out" / "completions").glob("*.parquet")
    table = pandas.read_parquet(file)
    assert len(table) == 12
    for start in range(0, 12, 4):
        assert len({str(prompt) for prompt in table["prompt"][start : start + 4]}) == 1
        assert table["length"][start : start + 4].nunique() > 1
