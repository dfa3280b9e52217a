from __future__ import annotations

import faulthandler
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from transformers import TrainerControl, TrainerState

from recipe_engine.progress import Beat, read_beats
from recipe_engine.runtime.callbacks.heartbeat import Heartbeat


@pytest.fixture
def heartbeat(tmp_path: Path) -> Iterator[Heartbeat]:
    made = Heartbeat(tmp_path)
    yield made
    faulthandler.unregister(signal.SIGUSR1)


def seen(tmp_path: Path) -> Beat:
    return read_beats(tmp_path)[0]


def test_it_beats_from_loading_to_the_end_and_says_what_comes_next(heartbeat: Heartbeat, tmp_path: Path) -> None:
    assert seen(tmp_path) == Beat(1, 0, "loading")
    state: Any = TrainerState()

    def after(event: str, step: int, **control: bool) -> tuple[int, str]:
        state.global_step = step
        getattr(heartbeat, event)(None, state, TrainerControl(**control))
        return seen(tmp_path).step, seen(tmp_path).phase

    assert after("on_step_begin", 0) == (0, "training")
    assert after("on_step_end", 1) == (1, "training")
    assert after("on_step_end", 2, should_evaluate=True, should_save=True) == (2, "evaluating")
    assert after("on_prediction_step", 2) == (2, "evaluating")
    assert after("on_evaluate", 2, should_save=True) == (2, "saving")
    assert after("on_save", 2) == (2, "training")
    assert after("on_train_end", 2) == (2, "finishing")
    assert seen(tmp_path).count == 8


@pytest.mark.parametrize("adapter", [False, True])
def test_each_forward_pass_beats_and_those_in_evaluation_mode_are_sampling(
    heartbeat: Heartbeat, tmp_path: Path, adapter: bool
) -> None:
    model = torch.nn.Linear(1, 1)
    shown: Any = SimpleNamespace(get_base_model=lambda: model) if adapter else model
    heartbeat.watch(SimpleNamespace(model=shown, args=SimpleNamespace(torch_compile=False)))
    state: Any = TrainerState(global_step=3)
    heartbeat.on_step_begin(None, state, TrainerControl())  # type: ignore[arg-type]
    before = seen(tmp_path).count
    model(torch.zeros(1))
    assert seen(tmp_path) == Beat(before + 1, 3, "training")
    model.eval()
    model(torch.zeros(1))
    assert seen(tmp_path) == Beat(before + 2, 3, "sampling")


def test_asked_by_the_launcher_it_writes_where_it_stands(heartbeat: Heartbeat, tmp_path: Path) -> None:
    os.kill(os.getpid(), signal.SIGUSR1)
    assert "test_asked_by_the_launcher" in heartbeat.heart.stacks.read_text()


def test_a_folder_that_is_full_or_gone_does_not_end_a_training(heartbeat: Heartbeat) -> None:
    full = os.open("/dev/full", os.O_WRONLY)
    os.dup2(full, heartbeat.heart._descriptor)
    heartbeat.heart.beat(1, "training")
