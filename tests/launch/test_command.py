from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from recipe_engine.compiled import CompiledRun
from recipe_engine.launch.command import worker_command, worker_environment


def changed(run: CompiledRun, *, deepspeed: str | None = None, **fields: Any) -> CompiledRun:
    arguments = {**run.arguments, **({"deepspeed": deepspeed} if deepspeed else {})}
    return run.model_copy(update={"arguments": arguments, **fields})


def test_one_process_is_started_as_it_is(run: CompiledRun) -> None:
    assert worker_command(run) == [sys.executable, "-m", "recipe_engine.runtime", f"{run.run_dir}/compiled.json"]


def test_several_have_a_launcher_and_so_has_deepspeed_also_with_one(run: CompiledRun) -> None:
    launcher = [sys.executable, "-m", "recipe_engine.launch.ranks", f"{run.run_dir}/compiled.json"]
    assert worker_command(changed(run, processes=4)) == launcher
    assert worker_command(changed(run, deepspeed="zero.json", gpus=1)) == launcher


def test_what_a_surrounding_launcher_left_in_the_environment_is_left_out(
    run: CompiledRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in (
        "RANK",
        "LOCAL_RANK",
        "NODE_RANK",
        "WORLD_SIZE",
        "MASTER_ADDR",
        "MASTER_PORT",
        "PMI_SIZE",
        "OMPI_COMM_WORLD_SIZE",
    ):
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


def test_processes_of_one_machine_meet_on_the_loopback_interface(
    run: CompiledRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    """gloo would take the address of the host's name, which may lead nowhere."""
    monkeypatch.delenv("GLOO_SOCKET_IFNAME", raising=False)
    assert worker_environment(run)["GLOO_SOCKET_IFNAME"] == "lo"
    assert "GLOO_SOCKET_IFNAME" not in worker_environment(changed(run, nodes=2, processes=2))
    monkeypatch.setenv("GLOO_SOCKET_IFNAME", "eth0")
    assert worker_environment(run)["GLOO_SOCKET_IFNAME"] == "eth0"
