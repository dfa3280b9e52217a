from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from recipe_engine.compiled import CompiledRun
from recipe_engine.launch.command import worker_command, worker_environment


def changed(run: CompiledRun, *, deepspeed: str | None = None, **fields: Any) -> CompiledRun:
    arguments = {**run.arguments, **({"deepspeed": deepspeed} if deepspeed else {})}
    return run.model_copy(update={"arguments": arguments, **fields})


def after(command: list[str], option: str) -> str:
    return command[command.index(option) + 1]


def test_one_process_is_started_as_it_is(run: CompiledRun) -> None:
    assert worker_command(run) == [sys.executable, "-m", "recipe_engine.runtime", f"{run.run_dir}/compiled.json"]


def test_several_are_started_by_accelerate_on_a_free_port(run: CompiledRun) -> None:
    command = worker_command(changed(run, processes=4))
    assert command[:3] == [sys.executable, "-m", "accelerate.commands.launch"]
    assert "--multi_gpu" in command
    assert (after(command, "--num_processes"), after(command, "--num_machines")) == ("4", "1")
    assert after(command, "--main_process_port") == "0"
    assert command[-3:] == ["-m", "recipe_engine.runtime", f"{run.run_dir}/compiled.json"]


@pytest.mark.parametrize(("stage", "flag"), [(2, "false"), (3, "true"), ("x", "false"), (None, "false")])
def test_deepspeed_is_started_by_accelerate_also_on_one_gpu(run: CompiledRun, stage: Any, flag: str) -> None:
    Path("zero.json").write_text(json.dumps({"zero_optimization": {"stage": stage}}) if stage else "{}")
    command = worker_command(changed(run, deepspeed="zero.json", gpus=1))
    assert "--use_deepspeed" in command
    assert "--multi_gpu" not in command
    assert after(command, "--deepspeed_config_file") == "zero.json"
    assert after(command, "--zero3_init_flag") == flag
    # DeepSpeed's plugin refuses a precision that comes from accelerate's own file.
    assert after(command, "--mixed_precision") == "no"


def test_what_other_projects_told_accelerate_does_not_count(run: CompiledRun) -> None:
    file = Path(after(worker_command(changed(run, processes=2)), "--config_file"))
    settings = yaml.safe_load(file.read_text(encoding="utf-8"))
    assert settings["distributed_type"] == "NO"
    assert settings["use_cpu"] is False
    assert "num_processes" not in settings


def test_what_a_surrounding_launcher_left_in_the_environment_is_left_out(
    run: CompiledRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("RANK", "LOCAL_RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT", "PMI_SIZE", "OMPI_COMM_WORLD_SIZE"):
        monkeypatch.setenv(name, "2")
    monkeypatch.setenv("ACCELERATE_USE_CPU", "true")
    monkeypatch.setenv("ACCELERATE_USE_DEEPSPEED", "true")
    monkeypatch.setenv("HF_HOME", "/somewhere")
    environment = worker_environment(run)
    assert not [name for name in environment if "RANK" in name or "MASTER" in name or "WORLD" in name or "PMI" in name]
    assert not [name for name in environment if name.startswith("ACCELERATE")]
    assert environment["HF_HOME"] == "/somewhere"


def test_a_run_on_the_cpu_sees_no_gpu_and_shares_the_cores(run: CompiledRun, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    cores = len(os.sched_getaffinity(0))
    assert worker_environment(run)["CUDA_VISIBLE_DEVICES"] == ""
    assert worker_environment(run)["OMP_NUM_THREADS"] == str(cores)
    assert worker_environment(changed(run, processes=64))["OMP_NUM_THREADS"] == str(max(cores // 64, 1))
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert worker_environment(run)["OMP_NUM_THREADS"] == "3"


def test_a_run_on_gpus_sees_as_many_as_it_was_given(run: CompiledRun, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,5,6")
    assert worker_environment(changed(run, gpus=2))["CUDA_VISIBLE_DEVICES"] == "4,5"
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    assert worker_environment(changed(run, gpus=2))["CUDA_VISIBLE_DEVICES"] == "0,1"


def test_a_file_in_the_current_folder_is_not_taken_for_a_library(run: CompiledRun) -> None:
    Path("json.py").write_text("raise SystemExit('the wrong json')")
    Path("recipe_engine").mkdir()
    Path("recipe_engine/__init__.py").write_text("raise SystemExit('the wrong engine')")
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-m", "recipe_engine.cli", "--version"],
        env={**worker_environment(run), "PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
