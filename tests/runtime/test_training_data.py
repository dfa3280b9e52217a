from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
from transformers import PreTrainedTokenizerBase

from recipe_engine.compiled import CompiledRun
from recipe_engine.runtime import training_data as module
from recipe_engine.runtime.training_data import TrainingData, training_data
from tests.runtime.support import compiled, user, write_rows

REWARDS = [{"type": "length", "max": 5}]


def connected(monkeypatch: pytest.MonkeyPatch, processes: int, *, first: bool) -> None:
    state = SimpleNamespace(num_processes=processes, is_main_process=first, wait_for_everyone=lambda: None)
    monkeypatch.setattr(module, "PartialState", lambda: state)


def files_of(data: TrainingData) -> set[Path]:
    datasets = [data.training, *([data.evaluation] if data.evaluation is not None else [])]
    return {Path(file["filename"]) for dataset in datasets for file in dataset.cache_files}


@pytest.fixture
def run(tmp_path: Path) -> CompiledRun:
    name = write_rows(tmp_path / "a.jsonl", [{"prompt": [user(str(n))], "level": n} for n in range(6)])
    held_out = write_rows(tmp_path / "b.jsonl", [{"prompt": [user("x")], "extra": "y"}])
    data = {"eval_datasets": [{"name": held_out}], "shuffle": True}
    return compiled(tmp_path, "grpo", {"name": name}, data=data, training={"eval_strategy": "epoch"}, rewards=REWARDS)


def test_every_process_maps_the_files_that_the_first_wrote(
    run: CompiledRun, tokenizer: PreTrainedTokenizerBase, monkeypatch: pytest.MonkeyPatch
) -> None:
    connected(monkeypatch, 2, first=True)
    one = training_data(run, tokenizer, lambda _: None)
    connected(monkeypatch, 2, first=False)
    other = training_data(run, tokenizer, pytest.fail)
    assert files_of(one) == files_of(other)
    assert one.training.to_list() == other.training.to_list()
    assert one.columns == other.columns == ("level", "prompt", "extra")
    assert other.evaluation is not None
    assert len(other.evaluation) == 1


def test_evaluation_rows_of_an_earlier_start_are_not_taken_up(
    run: CompiledRun, tokenizer: PreTrainedTokenizerBase, monkeypatch: pytest.MonkeyPatch
) -> None:
    connected(monkeypatch, 2, first=True)
    training_data(run, tokenizer, lambda _: None)
    without = run.model_copy(update={"data": run.data.model_copy(update={"eval_datasets": []})})
    assert training_data(without, tokenizer, lambda _: None).evaluation is None
    connected(monkeypatch, 2, first=False)
    assert training_data(without, tokenizer, lambda _: None).evaluation is None


def test_each_dataset_is_told_with_its_counts(run: CompiledRun, tokenizer: PreTrainedTokenizerBase) -> None:
    said: list[str] = []
    training_data(run, tokenizer, said.append)
    assert [line.split("/")[-1] for line in said] == [
        "a.jsonl (prompt): 6 rows read, 6 used",
        "b.jsonl (prompt): 1 rows read, 1 used",
    ]
