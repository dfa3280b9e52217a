from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch.nn.parallel import DistributedDataParallel
from transformers import TrainerControl, TrainerState, TrainingArguments

from recipe_engine.compiled import CompiledRun
from recipe_engine.runtime import launch_check
from recipe_engine.runtime.errors import RunError
from recipe_engine.runtime.launch_check import WrapperCheck, check_launch, check_trainer
from tests.runtime.support import compiled


@pytest.fixture
def run(tmp_path: Path) -> CompiledRun:
    return compiled(tmp_path, "sft", {"name": "d"})


def connected(monkeypatch: pytest.MonkeyPatch, processes: int = 1, device: str = "cpu") -> None:
    state = SimpleNamespace(num_processes=processes, device=torch.device(device))
    monkeypatch.setattr(launch_check, "PartialState", lambda: state)


def trainer(rows: int = 4, batches: int = 1, trained: bool = True, world: int = 1, deepspeed: bool = False) -> Any:
    return SimpleNamespace(
        model=torch.nn.Linear(1, 1).requires_grad_(trained),
        is_deepspeed_enabled=deepspeed,
        args=SimpleNamespace(world_size=world),
        train_dataset=range(rows),
        get_train_dataloader=lambda: range(batches),
    )


def test_what_was_asked_for_passes(run: CompiledRun, monkeypatch: pytest.MonkeyPatch) -> None:
    connected(monkeypatch)
    check_launch(run)
    check_trainer(run, trainer())


def test_other_processes_than_asked_for_are_refused(run: CompiledRun, monkeypatch: pytest.MonkeyPatch) -> None:
    connected(monkeypatch, processes=2)
    with pytest.raises(RunError, match="1 processes were asked for, and 2 are connected"):
        check_launch(run)
    with pytest.raises(RunError, match="the trainer sees 2"):
        check_trainer(run, trainer(world=2))


def test_a_gpu_where_the_cpu_was_asked_for_is_refused(run: CompiledRun, monkeypatch: pytest.MonkeyPatch) -> None:
    connected(monkeypatch, device="cuda")
    with pytest.raises(RunError, match="the CPU was asked for, and the device is cuda"):
        check_launch(run)


def test_a_gpu_that_is_not_there_is_refused(run: CompiledRun, monkeypatch: pytest.MonkeyPatch) -> None:
    connected(monkeypatch)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    with pytest.raises(RunError, match="a GPU was asked for, and torch sees none"):
        check_launch(run.model_copy(update={"gpus": 1}))


def test_the_cpu_where_a_gpu_was_asked_for_is_refused(run: CompiledRun, monkeypatch: pytest.MonkeyPatch) -> None:
    connected(monkeypatch)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(RunError, match="a GPU was asked for, and the device is cpu"):
        check_launch(run.model_copy(update={"gpus": 1}))


@pytest.mark.parametrize(("processes", "deepspeed", "refused"), [(1, False, False), (2, False, True), (2, True, False)])
def test_processes_whose_gradients_nothing_averages_are_refused(
    run: CompiledRun, processes: int, deepspeed: bool, refused: bool
) -> None:
    bare = SimpleNamespace(model_wrapped=torch.nn.Linear(1, 1), is_deepspeed_enabled=deepspeed, is_fsdp_enabled=False)
    check = WrapperCheck(run.model_copy(update={"processes": processes}), bare)
    arguments: Any = (None, None, None)
    if refused:
        with pytest.raises(RunError, match="would not be averaged: the model is Linear"):
            check.on_train_begin(*arguments)
    else:
        check.on_train_begin(*arguments)


def test_a_model_of_which_nothing_is_trained_is_refused(run: CompiledRun) -> None:
    with pytest.raises(RunError, match="no weight of the model is trained"):
        check_trainer(run, trainer(trained=False))


def test_deepspeed_that_is_not_in_use_is_refused(run: CompiledRun) -> None:
    asked = run.model_copy(update={"arguments": {**run.arguments, "deepspeed": "zero2.json"}})
    with pytest.raises(RunError, match="DeepSpeed is not in use"):
        check_trainer(asked, trainer())
    check_trainer(asked, trainer(deepspeed=True))


@pytest.mark.parametrize(
    ("processes", "sharded", "wrapped", "refused"),
    [(1, False, False, False), (2, False, True, False), (2, True, False, False), (2, False, False, True)],
)
def test_several_processes_that_would_not_average_their_gradients_are_refused(
    run: CompiledRun, processes: int, sharded: bool, wrapped: bool, refused: bool
) -> None:
    model: Any = torch.nn.Linear(1, 1)
    model = DistributedDataParallel.__new__(DistributedDataParallel) if wrapped else model
    made = SimpleNamespace(is_deepspeed_enabled=sharded, is_fsdp_enabled=False, model_wrapped=model)
    check = WrapperCheck(run.model_copy(update={"processes": processes}), made)
    with pytest.raises(RunError, match="would not be averaged") if refused else nullcontext():
        check.on_train_begin(TrainingArguments(use_cpu=True), TrainerState(), TrainerControl())


def test_no_batch_is_no_training(run: CompiledRun) -> None:
    with pytest.raises(RunError, match="3 rows are too few for one batch"):
        check_trainer(run, trainer(rows=3, batches=0))
