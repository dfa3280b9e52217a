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


def trainer(rows: int = 4, batches: int = 1, trained: bool = True, world: int = 1, **runs: Any) -> Any:
    """A trainer as far as it is looked at; ``runs`` is what it runs with that was not asked for."""
    asked = {"bf16": False, "fp16": False, "per_device_train_batch_size": 8, "gradient_accumulation_steps": 1}
    precision = runs.pop("mixed_precision", "no")
    return SimpleNamespace(
        model=torch.nn.Linear(1, 1).requires_grad_(trained),
        args=SimpleNamespace(world_size=world, **asked | runs),
        accelerator=SimpleNamespace(mixed_precision=precision),
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


def test_a_model_of_which_nothing_is_trained_is_refused(run: CompiledRun) -> None:
    with pytest.raises(RunError, match="no weight of the model is trained"):
        check_trainer(run, trainer(trained=False))


@pytest.mark.parametrize(
    ("runs", "message"),
    [
        ({"per_device_train_batch_size": 4}, "per_device_train_batch_size was asked to be 8, and is 4"),
        ({"gradient_accumulation_steps": 2}, "gradient_accumulation_steps was asked to be 1, and is 2"),
        ({"mixed_precision": "bf16"}, "mixed precision was asked to be no, and is bf16"),
        ({"fp16": True, "mixed_precision": "fp16"}, "fp16 was asked to be False, and is True"),
    ],
)
def test_another_batch_or_precision_than_asked_for_is_refused(
    run: CompiledRun, runs: dict[str, Any], message: str
) -> None:
    given = {"per_device_train_batch_size": 8, "gradient_accumulation_steps": 1, "bf16": False, "fp16": False}
    asked = run.model_copy(update={"arguments": {**run.arguments, **given}})
    check_trainer(asked, trainer())
    with pytest.raises(RunError, match=message):
        check_trainer(asked, trainer(**runs))


def test_bf16_that_this_machine_has_not_was_told_of_and_is_no_error(run: CompiledRun) -> None:
    asked = run.model_copy(update={"arguments": {**run.arguments, "bf16": True}})
    check_trainer(asked, trainer())


@pytest.mark.parametrize(
    ("settings", "name", "refused"),
    [
        ({}, "lora_A", False),
        ({}, "lm_head", True),
        ({"lora_modules_to_save": ["lm_head"]}, "modules_to_save", False),
        ({}, "bias", True),
        ({"lora_bias": "all"}, "bias", False),
    ],
)
def test_lora_that_trains_more_than_adapters_is_refused(
    tmp_path: Path, settings: dict[str, Any], name: str, refused: bool
) -> None:
    run = compiled(tmp_path, "sft", {"name": "d"}, model_settings={"use_lora": True, **settings})
    made = trainer(per_device_train_batch_size=run.arguments.get("per_device_train_batch_size", 8))
    made.model = torch.nn.Module()
    made.model.register_parameter(f"layer_{name}" if name != "bias" else "bias", torch.nn.Parameter(torch.zeros(1)))
    if name == "bias":
        made.model = torch.nn.ModuleDict({"layer": made.model})
    with pytest.raises(RunError, match="trains adapters alone") if refused else nullcontext():
        check_trainer(run, made)


def test_processes_whose_gradients_nothing_averages_are_refused(run: CompiledRun) -> None:
    """What sharded ones are held against is in ``spread/``, with real ones."""
    for processes, wrapped, refused in ((1, False, False), (2, True, False), (2, False, True)):
        model: Any = torch.nn.Linear(1, 1)
        model = DistributedDataParallel.__new__(DistributedDataParallel) if wrapped else model
        made = SimpleNamespace(model_wrapped=model)
        check = WrapperCheck(run.model_copy(update={"processes": processes}), made)
        with pytest.raises(RunError, match="would not be averaged") if refused else nullcontext():
            check.on_train_begin(TrainingArguments(use_cpu=True), TrainerState(), TrainerControl())


def test_deepspeed_and_fsdp_that_are_not_in_use_are_refused(run: CompiledRun) -> None:
    bare = SimpleNamespace(model_wrapped=torch.nn.Linear(1, 1))
    for argument, message in (("deepspeed", "DeepSpeed was asked for"), ("fsdp", "FSDP was asked for")):
        asked = run.model_copy(update={"arguments": {**run.arguments, argument: {"zero_optimization": {"stage": 2}}}})
        with pytest.raises(RunError, match=f"{message}: the model is Linear"):
            WrapperCheck(asked, bare).on_train_begin(TrainingArguments(use_cpu=True), TrainerState(), TrainerControl())


def test_no_batch_is_no_training(run: CompiledRun) -> None:
    with pytest.raises(RunError, match="3 rows are too few for one batch"):
        check_trainer(run, trainer(rows=3, batches=0))
