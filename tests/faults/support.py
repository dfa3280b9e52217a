"""Real runs in processes of their own, stopped and killed at chosen steps, and what they left behind."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

Row = dict[str, Any]

_PATIENCE = 240.0
ROOT = Path(__file__).resolve().parents[2]


def recipe(folder: Path, algorithm: str = "sft", **blocks: Row) -> Path:
    """A recipe of 12 steps that saves every third one and keeps all that it saves."""
    data: Row = {"datasets": [{"name": "builtin/questions" if algorithm == "grpo" else "builtin/conversations"}]}
    training = {
        "algorithm": algorithm,
        "output_dir": "models/run",
        "max_steps": 12,
        "save_strategy": "steps",
        "save_steps": 3,
        "per_device_train_batch_size": 8,
        "learning_rate": 1e-3,
        "logging_steps": 1,
        "bf16": False,
        "gradient_checkpointing": False,
    }
    whole = {
        "model": {"base_model_name": "builtin/tiny-chat"} | blocks.pop("model", {}),
        "data": data | blocks.pop("data", {}),
        "training": training | blocks.pop("training", {}),
        **blocks,
    }
    file = folder / "recipe.yaml"
    file.write_text(yaml.safe_dump(whole), encoding="utf-8")
    return file


def command(file: Path, *overrides: str) -> list[str]:
    return [sys.executable, "-m", "recipe_engine.cli", "train", "--num-gpus", "0", "--config", str(file), *overrides]


def start(file: Path, *overrides: str) -> subprocess.Popen[str]:
    """Start a run in the recipe's folder."""
    return started(command(file, *overrides), file.parent)


def started(command: list[str], folder: Path) -> subprocess.Popen[str]:
    """Start a command in a folder."""
    return subprocess.Popen(
        command,
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def finished(process: subprocess.Popen[str]) -> tuple[int, str]:
    """The exit code of a run and all that it said."""
    said, _ = process.communicate(timeout=_PATIENCE)
    return process.returncode, said


def run_to_end(file: Path, *overrides: str) -> str:
    """Train to the end. Returns what the run said."""
    code, said = finished(start(file, *overrides))
    assert code == 0, said
    return said


def tree(pid: int) -> list[int]:
    """A process and all that have come of it."""
    children = [int(one) for file in Path(f"/proc/{pid}/task").glob("*/children") for one in file.read_text().split()]
    return [pid, *(below for child in children for below in tree(child))]


def wait_until(process: subprocess.Popen[str], happened: Callable[[], bool]) -> None:
    """Wait until something has happened; the run must not end before."""
    deadline = time.monotonic() + _PATIENCE
    while not happened():
        assert process.poll() is None, finished(process)
        assert time.monotonic() < deadline
        time.sleep(0.01)


def steps_logged(output: Path) -> int:
    """The last step in a run's metrics."""
    file = output / "run" / "metrics.jsonl"
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    return int(json.loads(lines[-1])["step"]) if lines else 0


def trainers_of(output: Path) -> list[int]:
    """The processes that train in an output folder."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            arguments = (folder / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if b"recipe_engine.runtime" in arguments and str(output / "run").encode() in b" ".join(arguments):
            found.append(int(folder.name))
    return sorted(found)


def weights(output: Path) -> bytes:
    return (output / "model.safetensors").read_bytes()
