"""The command that trains a compiled run: one process, or one for each GPU under accelerate."""

from __future__ import annotations

import json
import os
import sys
from importlib.resources import files
from pathlib import Path

from recipe_engine.compiled import CompiledRun
from recipe_engine.launch.gpus import visible_devices

COMPILED = "compiled.json"

_LAUNCHERS = ("RANK", "LOCAL_RANK", "GROUP_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
_LAUNCHER_PREFIXES = ("ACCELERATE_", "FSDP_", "TORCHELASTIC_", "PARALLELISM_CONFIG_", "PMI_", "OMPI_COMM_", "MV2_COMM_")


def worker_command(run: CompiledRun) -> list[str]:
    """The argument list that starts the run's processes."""
    worker = ["-m", "recipe_engine.runtime", str(Path(run.run_dir) / COMPILED)]
    deepspeed = run.arguments.get("deepspeed")
    if run.processes == 1 and not deepspeed:
        return [sys.executable, *worker]
    launcher = [sys.executable, "-m", "accelerate.commands.launch", "--config_file", _accelerate_config()]
    # Precision is the trainer's. Said here, since DeepSpeed's plugin refuses a configuration file that says it.
    launcher += [
        "--mixed_precision",
        "no",
        "--num_machines",
        "1",
        "--num_processes",
        str(run.processes),
        "--main_process_port",
        "0",
    ]
    if deepspeed:
        launcher += ["--use_deepspeed", "--deepspeed_config_file", str(deepspeed)]
        launcher += ["--zero3_init_flag", "true" if _zero_stage(str(deepspeed)) == 3 else "false"]
    else:
        launcher += ["--multi_gpu"]
    return [*launcher, *worker]


def worker_environment(run: CompiledRun) -> dict[str, str]:
    """The whole environment of the run's processes.

    It is this process's own, but for what a surrounding launcher left there: the run would take itself for a part of
    that one's processes, and wait for the others.
    """
    environment = clean_environment()
    if run.gpus > 0:
        return environment | {"CUDA_VISIBLE_DEVICES": visible_devices(run.gpus)}
    threads = str(max(_cores() // run.processes, 1))
    # Passive: threads that spin while they wait slow everything down on cores that other programs use too.
    defaults = {"OMP_NUM_THREADS": threads, "OMP_WAIT_POLICY": "PASSIVE"}
    return defaults | environment | {"CUDA_VISIBLE_DEVICES": ""}


def clean_environment() -> dict[str, str]:
    """This process's environment, but for what a surrounding launcher left there."""
    environment = {
        name: value
        for name, value in os.environ.items()
        if name not in _LAUNCHERS and not name.startswith(_LAUNCHER_PREFIXES)
    }
    return environment | {"PYTHONUNBUFFERED": "1", "TOKENIZERS_PARALLELISM": "false", **safe_path()}


def cpu_environment() -> dict[str, str]:
    """What is added for a single process on the CPU."""
    threads = os.environ.get("OMP_NUM_THREADS", str(max(_cores(), 1)))
    policy = os.environ.get("OMP_WAIT_POLICY", "PASSIVE")
    return {"OMP_NUM_THREADS": threads, "OMP_WAIT_POLICY": policy, "CUDA_VISIBLE_DEVICES": ""}


def safe_path() -> dict[str, str]:
    """What keeps ``python -m`` from importing out of the current folder, where a user's ``datasets.py`` may lie."""
    return {"PYTHONSAFEPATH": "1"}


def _accelerate_config() -> str:
    return str(files(__package__).joinpath("accelerate.yaml"))


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _zero_stage(path: str) -> int:
    try:
        settings = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return 0  # lint and the preflight report the file; a plan can be shown without it
    stage = settings.get("zero_optimization", {}).get("stage", 0)
    return stage if isinstance(stage, int) else 0
