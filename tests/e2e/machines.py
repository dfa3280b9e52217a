"""Runs on several machines, or what stands for them here: started, watched and disturbed from outside."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from tests.e2e.support import RECIPES
from tests.faults.support import trainers_of

PATIENCE = 240.0
STEPS = 60
"""Those of the SFT quickstart."""
SAVED = 12
"""When this many steps are logged there is a checkpoint."""
ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}

WATCHED = (
    "training.logging_steps=1",
    "training.save_steps=10",
    "training.save_strategy=steps",
    "training.output_dir=models/run",
    "training.overwrite_output_dir=false",
    "launch.restart_seconds=0.1",
)
"""The SFT quickstart as it is, but for a line of each step and checkpoints to go on from."""


def recipe(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "recipe_engine.cli", *arguments]


def quickstart(verb: str, *arguments: str) -> list[str]:
    """``recipe VERB`` of the SFT quickstart on CPUs."""
    return recipe(verb, "--config", str(RECIPES / "sft.yaml"), "--num-gpus", "0", *arguments)


def said_by(command: list[str], folder: Path, environment: dict[str, str] | None = None) -> str:
    """What a command that must end well says."""
    done = subprocess.run(
        command,
        cwd=folder,
        env=environment or ENVIRONMENT,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def losses(folder: Path) -> dict[int, float]:
    """The loss of each step; of one that was trained twice, the last."""
    file = folder / "models/run/run/metrics.jsonl"
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    entries = [json.loads(line) for line in lines]
    return {entry["step"]: entry["loss"] for entry in entries if "loss" in entry}


def trainers_on(node: int, output: Path) -> list[int]:
    """The training processes of one machine, launchers aside."""
    found = []
    for pid in trainers_of(output):
        try:
            variables = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        except OSError:
            continue
        if f"NODE_RANK={node}".encode() in variables:
            found.append(pid)
    return found


def until(happened: Callable[[], object], what: Callable[[], str]) -> None:
    """Wait until something is so; where it takes too long, ``what`` tells what was seen instead."""
    deadline = time.monotonic() + PATIENCE
    while not happened():
        assert time.monotonic() < deadline, what()
        time.sleep(0.05)


def logs(folder: Path) -> str:
    """Everything that was logged."""
    files = sorted((folder / "logs").glob("*.log"))
    return "\n".join(f"== {file.name}\n{file.read_text(encoding='utf-8', errors='replace')}" for file in files)
