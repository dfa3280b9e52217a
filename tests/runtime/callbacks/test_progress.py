from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from transformers import TrainerControl, TrainerState, TrainingArguments

from recipe_engine.runtime.callbacks.progress import Progress, summary


def test_the_main_numbers_come_first_and_short() -> None:
    logs = {"epoch": 0.5, "learning_rate": 1e-05, "loss": 1.23456, "reward": 0.25, "entropy": 3.0}
    assert summary(logs) == "loss 1.235  reward 0.25  learning_rate 1e-05"


def test_other_numbers_are_shown_where_there_are_no_main_ones() -> None:
    assert summary({"a": 1.0, "b": None}) == "a 1  b None"


def test_the_end_says_how_long_it_took() -> None:
    assert summary({"train_runtime": 61.7, "train_loss": 0.5}) == "trained for 0:01:02, mean loss 0.5"


def steps(folder: Path, *, first: bool = True) -> None:
    """A training of two steps, as a callback sees it."""
    progress, arguments = Progress(), TrainingArguments(output_dir=str(folder), use_cpu=True)
    state = TrainerState(max_steps=2, is_world_process_zero=first)
    progress.on_train_begin(arguments, state, TrainerControl())
    for step in (1, 2):
        state.global_step = step
        progress.on_step_end(arguments, state, TrainerControl())
        progress.on_log(arguments, state, TrainerControl(), logs={"loss": 1.0})
    progress.on_train_end(arguments, state, TrainerControl())


def test_a_log_gets_plain_lines_with_the_time_left(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    steps(tmp_path)
    out, errors = capsys.readouterr()
    assert out == "step 1/2  loss 1  left 0:00:00\nstep 2/2  loss 1\n"
    assert errors == ""


def test_a_terminal_gets_a_bar_and_the_lines_above_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    steps(tmp_path)
    out, errors = capsys.readouterr()
    assert "step 2/2  loss 1" in out
    assert "2/2" in errors
    assert "100%" in errors


def test_other_processes_say_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    steps(tmp_path, first=False)
    captured: Any = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "")
