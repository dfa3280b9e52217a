from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from recipe_engine.algorithms import algorithm
from recipe_engine.data.check import DatasetReport
from recipe_engine.data.errors import DataError
from recipe_engine.data.mixture import (
    RowCount,
    copies_of,
    count_rows,
    demand_enough_rows,
    demand_rows,
    held_out_rows,
    is_random,
    mixed_rows,
)
from recipe_engine.recipe.data import DataBlock, DatasetEntry
from recipe_engine.schemas import trl_arguments

GRPO = algorithm("grpo")
SFT = algorithm("sft")


def arguments(config: str, **given: Any) -> Any:
    catalogue = trl_arguments(config)
    return lambda name: given[name] if name in given else catalogue[name]["default"]


# 8 completions per device and 4 micro-batches in groups of 8 are 4 prompts a round on one process.
ROUND = arguments("GRPOConfig", per_device_train_batch_size=8, gradient_accumulation_steps=4, num_generations=8)


def counted(*rows: int | None, weights: tuple[float | None, ...] = (), **data: Any) -> int | None:
    entries = [DatasetEntry(name=f"d{i}", weight=weights[i] if weights else None) for i in range(len(rows))]
    counts = [
        RowCount(entry, None if used is None else DatasetReport(rows=used, used=used))
        for entry, used in zip(entries, rows, strict=True)
    ]
    return mixed_rows(counts, DataBlock(datasets=entries, **data))


def prompts(folder: Path, rows: int, name: str = "rows.jsonl") -> DatasetEntry:
    file = folder / name
    file.write_text("".join(json.dumps({"prompt": f"q{i}", "answer": "a"}) + "\n" for i in range(rows)))
    return DatasetEntry(name=str(file))


class TestMixing:
    def test_concatenation_adds_up(self) -> None:
        assert counted(10, 5) == 15

    @pytest.mark.parametrize(("weight", "rows"), [(0.5, 5), (1.0, 10), (2.0, 20), (2.25, 22), (0.25, 2), (1.35, 14)])
    def test_a_weight_takes_whole_copies_and_a_drawn_part(self, weight: float, rows: int) -> None:
        assert counted(10, weights=(weight,)) == rows

    def test_a_part_is_rounded_by_itself_as_training_does(self) -> None:
        assert copies_of(5, 1.5) == (1, 2)  # 2.5 rows round to 2, while 7.5 would round to 8
        assert counted(5, weights=(1.5,)) == 7

    def test_interleaving_once_takes_every_row(self) -> None:
        assert counted(10, 5, mixing="interleave_once") == 15

    def test_interleaving_ends_with_the_first_or_the_last_dataset_as_far_as_can_be_foreseen(self) -> None:
        assert counted(10, 30, mixing="interleave_under") == 20
        assert counted(10, 30, mixing="interleave_over") == 60
        assert counted(10, 30, weights=(1.0, 3.0), mixing="interleave_under") == 40

    def test_interleaving_one_dataset_is_that_dataset(self) -> None:
        assert counted(10, weights=(2.0,), mixing="interleave_under") == 10

    def test_one_unknown_dataset_makes_the_whole_unknown(self) -> None:
        assert counted(10, None) is None

    def test_only_interleaving_several_by_weight_is_random(self) -> None:
        one, two = [DatasetEntry(name="a")], [DatasetEntry(name="a"), DatasetEntry(name="b")]
        assert is_random(two, DataBlock(datasets=two, mixing="interleave_over"))
        assert not is_random(one, DataBlock(datasets=one, mixing="interleave_over"))
        assert not is_random(two, DataBlock(datasets=two, mixing="interleave_once"))
        assert not is_random(two, DataBlock(datasets=two))

    @pytest.mark.parametrize(("holdout", "held"), [(0.1, 10), (0.249, 25), (3, 3)])
    def test_a_share_is_rounded_and_a_number_cut(self, holdout: float, held: int) -> None:
        assert held_out_rows(100, holdout) == held
        assert counted(100, eval_holdout=holdout) == 100 - held

    def test_more_held_out_than_there_is_leaves_nothing(self) -> None:
        assert counted(3, eval_holdout=5) == 0


class TestCounting:
    def test_rows_are_counted_by_dataset_and_remote_ones_are_unknown(self, tmp_path: Path) -> None:
        entries = [prompts(tmp_path, 3), DatasetEntry(name="openai/gsm8k")]
        local, remote = count_rows(entries, DataBlock(datasets=entries), GRPO.shapes)
        assert local.report is not None
        assert (local.report.rows, local.report.used) == (3, 3)
        assert remote.report is None

    def test_an_error_names_its_dataset(self, tmp_path: Path) -> None:
        empty = prompts(tmp_path, 0)
        with pytest.raises(DataError, match=r"rows.jsonl: it holds no rows"):
            count_rows([empty], DataBlock(datasets=[empty]), GRPO.shapes)


class TestEnough:
    @pytest.mark.parametrize(("processes", "needed"), [(1, 4), (2, 8), (8, 32)])
    def test_a_round_of_prompts_is_needed(self, processes: int, needed: int) -> None:
        demand_rows(needed, GRPO, ROUND, processes)
        with pytest.raises(DataError) as caught:
            demand_rows(needed - 1, GRPO, ROUND, processes)
        assert caught.value.code == "D410"
        on = "" if processes == 1 else f" x {processes} processes"
        assert caught.value.message == (
            f"{needed - 1} rows to train on, and one round of sampling takes {needed} prompts"
            f" (8 completions per device{on} x 4 micro-batches, in groups of 8)"
        )

    def test_the_size_of_a_round_may_be_given(self) -> None:
        by_steps = arguments("GRPOConfig", per_device_train_batch_size=8, steps_per_generation=2)
        by_size = arguments("GRPOConfig", per_device_train_batch_size=8, generation_batch_size=16)
        for argument in (by_steps, by_size):
            demand_rows(2, GRPO, argument, 1)
            with pytest.raises(DataError, match="takes 2 prompts"):
                demand_rows(1, GRPO, argument, 1)

    def test_a_last_batch_that_is_not_full_is_a_batch_unless_it_is_dropped(self) -> None:
        demand_rows(1, SFT, arguments("SFTConfig"), 2)
        dropping = arguments("SFTConfig", per_device_train_batch_size=4, dataloader_drop_last=True)
        demand_rows(8, SFT, dropping, 2)
        with pytest.raises(
            DataError, match=r"7 rows to train on, and one batch takes 8 \(4 per device x 2 processes\)"
        ):
            demand_rows(7, SFT, dropping, 2)

    def test_local_rows_are_read_no_further_than_needed(self, tmp_path: Path) -> None:
        entry = prompts(tmp_path, 50)
        with Path(entry.name).open("a") as stream:
            stream.write("this is not JSON\n")
        demand_enough_rows([entry], DataBlock(datasets=[entry]), GRPO, ROUND, 1)

    def test_too_few_local_rows_are_an_error_that_counts_them(self, tmp_path: Path) -> None:
        entries = [prompts(tmp_path, 1), prompts(tmp_path, 2, "more.jsonl")]
        with pytest.raises(DataError, match="3 rows to train on"):
            demand_enough_rows(entries, DataBlock(datasets=entries), GRPO, ROUND, 1)
        demand_enough_rows(entries, DataBlock(datasets=entries), GRPO, arguments("GRPOConfig"), 1)

    def test_rows_are_looked_for_beyond_the_first_where_many_of_those_are_invalid(self, tmp_path: Path) -> None:
        entry = prompts(tmp_path, 4)
        file = Path(entry.name)
        file.write_text('{"prompt": "", "answer": "a"}\n' * 20 + file.read_text())
        data = DataBlock(datasets=[entry], invalid_rows="drop")
        demand_enough_rows([entry], data, GRPO, ROUND, 1)

    def test_what_is_held_out_is_not_trained_on(self, tmp_path: Path) -> None:
        entry = prompts(tmp_path, 5)
        demand_enough_rows([entry], DataBlock(datasets=[entry], eval_holdout=1), GRPO, ROUND, 1)
        with pytest.raises(DataError, match="3 rows to train on"):
            demand_enough_rows([entry], DataBlock(datasets=[entry], eval_holdout=2), GRPO, ROUND, 1)

    def test_a_random_mixture_and_an_unknown_one_are_left_to_the_training(self, tmp_path: Path) -> None:
        few = [prompts(tmp_path, 1), prompts(tmp_path, 1, "more.jsonl")]
        demand_enough_rows(few, DataBlock(datasets=few, mixing="interleave_under"), GRPO, ROUND, 1)
        unknown = [prompts(tmp_path, 1), DatasetEntry(name="openai/gsm8k")]
        demand_enough_rows(unknown, DataBlock(datasets=unknown), GRPO, ROUND, 1)
