from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import pytest

from recipe_engine.algorithms.batch import Batch, Round, batch_of, round_of
from recipe_engine.compiled import CompiledRun
from recipe_engine.plan.steps import Steps, argument_of, drops_overlong_rows, steps_of

from .support import run_of


def batch(run: CompiledRun) -> Batch:
    return batch_of(partial(argument_of, run), run.processes)


def sampling(run: CompiledRun) -> Round:
    return round_of(partial(argument_of, run), run.processes)


def total(run: CompiledRun, rows: int) -> int | None:
    return steps_of(run, rows).total


def test_a_step_takes_every_processs_accumulated_micro_batches(tmp_path: Path) -> None:
    made = batch(run_of(tmp_path, "sft", 2, per_device_train_batch_size=4, gradient_accumulation_steps=3))
    assert (made.micro, made.effective) == (8, 24)


@pytest.mark.parametrize(
    ("rows", "arguments", "steps"),
    [
        (10, {"num_train_epochs": 1}, 2),  # 3 batches of 4, 4 and 2; the second step has one
        (10, {"num_train_epochs": 3}, 6),
        (10, {"num_train_epochs": 1.5}, 3),
        (10, {"num_train_epochs": 1, "dataloader_drop_last": True}, 1),
        (8, {"num_train_epochs": 1}, 1),
        (1, {"num_train_epochs": 2}, 2),
        (10, {"max_steps": 7}, 7),
    ],
)
def test_steps_of_sft_are_rounded_up_by_epoch(tmp_path: Path, rows: int, arguments: dict[str, Any], steps: int) -> None:
    run = run_of(tmp_path, "sft", per_device_train_batch_size=4, gradient_accumulation_steps=2, **arguments)
    assert total(run, rows) == steps


def test_fewer_rows_than_a_dropped_batch_are_no_step_also_with_max_steps(tmp_path: Path) -> None:
    run = run_of(tmp_path, "sft", per_device_train_batch_size=4, dataloader_drop_last=True, max_steps=7)
    assert total(run, 3) == 0


@pytest.mark.parametrize(
    ("arguments", "processes", "expected"),
    [
        ({}, 1, Round(8, 8, 1, 1)),
        ({"gradient_accumulation_steps": 4}, 1, Round(8, 32, 4, 1)),
        ({"gradient_accumulation_steps": 4}, 2, Round(8, 64, 4, 1)),
        ({"gradient_accumulation_steps": 4, "steps_per_generation": 2}, 1, Round(8, 16, 2, 1)),
        ({"generation_batch_size": 32, "num_generations": 4}, 2, Round(4, 32, 2, 1)),
        ({"num_iterations": 3}, 1, Round(8, 8, 1, 3)),
    ],
)
def test_a_round_of_sampling_is_cut_as_trl_cuts_it(
    tmp_path: Path, arguments: dict[str, Any], processes: int, expected: Round
) -> None:
    assert sampling(run_of(tmp_path, "grpo", processes, **arguments)) == expected


def test_steps_of_grpo_count_rounds_passes_and_micro_batches(tmp_path: Path) -> None:
    # 2 prompts a round of 2 micro-batches, each trained on twice: 10 rows are 5 rounds, 20 micro-batches, 5 steps.
    run = run_of(
        tmp_path,
        "grpo",
        steps_per_generation=2,
        num_iterations=2,
        gradient_accumulation_steps=4,
        num_train_epochs=2,
    )
    assert total(run, 10) == 10
    assert total(run, 11) == 10  # the eleventh prompt fills no round
    assert total(run, 1) == 0


@pytest.mark.parametrize(("given", "steps"), [(0, 0), (0.1, 3), (3, 3), (0.5, 13), (0.03, 1)])
def test_warmup_is_a_count_or_a_share_rounded_up(tmp_path: Path, given: float, steps: int) -> None:
    run = run_of(tmp_path, "sft", per_device_train_batch_size=1, num_train_epochs=1, warmup_steps=given)
    assert steps_of(run, 25).warmup == steps


def test_unknown_rows_leave_the_steps_unknown_unless_they_are_given(tmp_path: Path) -> None:
    assert steps_of(run_of(tmp_path, "sft"), None) == Steps(None, None, "at most")
    assert steps_of(run_of(tmp_path, "sft", max_steps=10, warmup_steps=0.2), None) == Steps(10, 2, "exact")


@pytest.mark.parametrize(
    ("algorithm", "data", "training", "drops"),
    [
        ("sft", {}, {}, True),
        ("sft", {"overlong_rows": "error"}, {}, False),
        ("sft", {"overlong_rows": "left"}, {}, True),  # what is left may hold no trained token
        ("sft", {}, {"packing": True}, True),
        ("sft", {}, {"packing": True, "packing_strategy": "wrapped"}, False),
        ("cpt", {"datasets": [{"name": "builtin/text"}]}, {}, False),
        ("grpo", {}, {}, True),
        ("grpo", {"overlong_rows": "left"}, {}, False),
    ],
)
def test_the_number_of_steps_is_exact_only_where_no_row_can_be_dropped(
    tmp_path: Path, algorithm: str, data: dict[str, Any], training: dict[str, Any], drops: bool
) -> None:
    run = run_of(tmp_path, algorithm, data=data, **training)
    assert drops_overlong_rows(run) is drops
    assert steps_of(run, 100).certainty == ("at most" if drops or run.arguments.get("packing") else "exact")
    fixed = run_of(tmp_path, algorithm, data=data, max_steps=5, **training)
    assert steps_of(fixed, 100) == Steps(5, 0, "exact")


@pytest.mark.parametrize("strategy", ["bfd_split", "wrapped"])
def test_packing_that_splits_rows_may_make_more_sequences_than_rows(tmp_path: Path, strategy: str) -> None:
    packed = {"packing": True, "packing_strategy": strategy}
    assert total(run_of(tmp_path, "sft", **packed), 100) is None
    assert total(run_of(tmp_path, "sft", max_steps=3, **packed), 100) == 3


def test_packing_that_keeps_rows_whole_makes_fewer_sequences(tmp_path: Path) -> None:
    run = run_of(tmp_path, "sft", packing=True, data={"overlong_rows": "error"}, num_train_epochs=1)
    assert steps_of(run, 16) == Steps(2, 0, "at most")


def test_a_random_mixture_is_not_exact(tmp_path: Path) -> None:
    datasets = [{"name": "builtin/conversations"}, {"name": "builtin/completions"}]
    data = {"datasets": datasets, "mixing": "interleave_under", "overlong_rows": "error"}
    assert steps_of(run_of(tmp_path, "sft", data=data), 100).certainty == "about"
