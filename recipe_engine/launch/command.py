"""The command that trains a compiled run on one machine: one process, or the launcher of several."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from recipe_engine.compiled import CompiledRun
from recipe_engine.launch.companions import Meeting
from recipe_engine.launch.environment import kept_environment
from recipe_engine.launch.gpus import visible_devices
from recipe_engine.launch.interfaces import interface_variables

COMPILED = "compiled.json"
WORKER = "recipe_engine.runtime"
"""The module that trains, as ``python -m`` is given it."""

_LAUNCHERS = (
    *("RANK", "LOCAL_RANK", "GROUP_RANK", "NODE_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "GROUP_WORLD_SIZE"),
    *("MASTER_ADDR", "MASTER_PORT"),
)
_LAUNCHER_PREFIXES = (
    *("ACCELERATE_", "FSDP_", "TORCHELASTIC_", "ROLE_", "PARALLELISM_CONFIG_"),
    *("PMI_", "OMPI_COMM_", "MV2_COMM_"),
)


def worker_command(run: CompiledRun) -> list[str]:
    """The argument list that starts the run's processes on one machine."""
    compiled = str(Path(run.run_dir) / COMPILED)
    if run.processes == 1 and not run.arguments.get("deepspeed"):
        return [sys.executable, "-m", WORKER, compiled]
    return [sys.executable, "-m", "recipe_engine.launch.ranks", compiled]


def worker_environment(run: CompiledRun) -> dict[str, str]:
    """The whole environment of the run's processes, but for where they meet.

    It is this process's own, as far as ``launch.environment`` lets it through, but for what a surrounding launcher left
    there: the run would take itself for a part of that one's processes, and wait for the others.
    """
    environment = clean_environment(kept_environment(run, os.environ))
    if run.nodes == 1 and sys.platform == "linux":
        # gloo would take the interface of the host's name, which may lead nowhere.
        environment.setdefault("GLOO_SOCKET_IFNAME", "lo")
    if run.gpus > 0:
        return environment | {"CUDA_VISIBLE_DEVICES": visible_devices(run.gpus)}
    threads = str(max(_cores() // run.processes_per_node, 1))
    # Passive: threads that spin while they wait slow everything down on cores that other programs use too.
    defaults = {"OMP_NUM_THREADS": threads, "OMP_WAIT_POLICY": "PASSIVE"}
    return defaults | environment | {"CUDA_VISIBLE_DEVICES": ""}


def clean_environment(given: Mapping[str, str]) -> dict[str, str]:
    """An environment, but for what a surrounding launcher left there."""
    environment = {
        name: value
        for name, value in given.items()
        if name not in _LAUNCHERS and not name.startswith(_LAUNCHER_PREFIXES)
    }
    return environment | {"PYTHONUNBUFFERED": "1", "TOKENIZERS_PARALLELISM": "false", **safe_path()}


def cpu_environment() -> dict[str, str]:
    """What is added for a single process on the CPU."""
    threads = os.environ.get("OMP_NUM_THREADS", str(max(_cores(), 1)))
    policy = os.environ.get("OMP_WAIT_POLICY", "PASSIVE")
    return {"OMP_NUM_THREADS": threads, "OMP_WAIT_POLICY": policy, "CUDA_VISIBLE_DEVICES": ""}


def meeting_environment(meeting: Meeting, node: int) -> dict[str, str]:
    """How ``launch.ranks`` is told where the processes of an attempt meet, which machine this is, and by which network
    interface the others are reached; what the user says of that stays."""
    place = {"MASTER_ADDR": meeting.address, "MASTER_PORT": str(meeting.port), "NODE_RANK": str(node)}
    return place | interface_variables(meeting.interface)


def safe_path() -> dict[str, str]:
    """What keeps ``python -m`` from importing out of the current folder, where a user's ``datasets.py`` may lie."""
    return {"PYTHONSAFEPATH": "1"}


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
