from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from transformers import TrainerControl, TrainerState, TrainingArguments

from recipe_engine.runtime.callbacks.metrics import MetricsFile, finite, read_metrics


@pytest.fixture
def arguments(tmp_path: Path) -> TrainingArguments:
    return TrainingArguments(output_dir=str(tmp_path), use_cpu=True)


def log(file: Path, arguments: TrainingArguments, step: int, *, first: bool = True, **numbers: object) -> None:
    state = TrainerState(global_step=step, is_world_process_zero=first)
    MetricsFile(file).on_log(arguments, state, TrainerControl(), logs=numbers)


def test_each_log_is_a_line_with_its_step_and_time(tmp_path: Path, arguments: TrainingArguments) -> None:
    log(tmp_path / "m.jsonl", arguments, 1, loss=2.5)
    log(tmp_path / "m.jsonl", arguments, 2, loss=2.25, reward=None)
    first, second = read_metrics(tmp_path / "m.jsonl")
    assert (first["step"], first["loss"], second["loss"], second["reward"]) == (1, 2.5, 2.25, None)
    assert second["time"] >= first["time"] > 1.6e9


def test_other_processes_and_empty_logs_write_nothing(tmp_path: Path, arguments: TrainingArguments) -> None:
    log(tmp_path / "m.jsonl", arguments, 1, first=False, loss=2.5)
    log(tmp_path / "m.jsonl", arguments, 1)
    assert not (tmp_path / "m.jsonl").exists()


def test_what_is_no_number_is_written_so_that_any_json_reader_takes_it(
    tmp_path: Path, arguments: TrainingArguments
) -> None:
    log(tmp_path / "m.jsonl", arguments, 1, loss=float("nan"), grad_norm=float("inf"))
    line = (tmp_path / "m.jsonl").read_text(encoding="utf-8")
    entry = json.loads(line, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    assert (entry["loss"], entry["grad_norm"]) == ("nan", "inf")
    assert finite({"a": 1, "b": -float("inf"), "c": "x"}) == {"a": 1, "b": "-inf", "c": "x"}


def test_a_resumed_training_takes_back_what_came_after_its_checkpoint(
    tmp_path: Path, arguments: TrainingArguments
) -> None:
    file = tmp_path / "m.jsonl"
    for step in (1, 2, 3, 4):
        log(file, arguments, step, loss=float(step))
    MetricsFile(file).on_train_begin(
        arguments, TrainerState(global_step=2, is_world_process_zero=False), TrainerControl()
    )
    assert len(read_metrics(file)) == 4
    MetricsFile(file).on_train_begin(arguments, TrainerState(global_step=2), TrainerControl())
    assert [entry["step"] for entry in read_metrics(file)] == [1, 2]


def test_whoever_is_killed_while_it_takes_back_lines_loses_none(
    tmp_path: Path, arguments: TrainingArguments, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "m.jsonl"
    for step in (1, 2, 3):
        log(file, arguments, step, loss=float(step))
    with file.open("a") as stream:
        stream.write('{"step": 4, "lo')  # of a machine that lost its power

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        MetricsFile(file).on_train_begin(arguments, TrainerState(global_step=2), TrainerControl())
    assert [entry["step"] for entry in read_metrics(file)] == [1, 2, 3]
    monkeypatch.undo()
    MetricsFile(file).on_train_begin(arguments, TrainerState(global_step=2), TrainerControl())
    log(file, arguments, 3, loss=3.0)
    assert [json.loads(line)["step"] for line in file.read_text(encoding="utf-8").splitlines()] == [1, 2, 3]
