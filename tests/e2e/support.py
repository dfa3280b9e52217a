"""The quickstart recipes, run as a user runs them, and what they logged."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

RECIPES = Path(__file__).resolve().parents[2] / "recipes" / "quickstart"


def train(recipe: str, folder: Path, *overrides: str) -> subprocess.CompletedProcess[str]:
    """``recipe train`` of a quickstart on the CPU, started in ``folder``."""
    command = [sys.executable, "-m", "recipe_engine.cli", "train", "--num-gpus", "0", "--config", str(RECIPES / recipe)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [*command, *overrides], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


def trained(recipe: str, folder: Path, *overrides: str) -> None:
    """Train a quickstart to its end."""
    done = train(recipe, folder, *overrides)
    assert done.returncode == 0, done.stdout + done.stderr


def logged(folder: Path, run: str, name: str) -> list[float]:
    """A number's values in the order in which a run logged them."""
    lines = (folder / "models" / run / "run" / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    entries: list[dict[str, Any]] = [json.loads(line) for line in lines]
    return [entry[name] for entry in entries if name in entry]


def mean(values: list[float]) -> float:
    return sum(values) / len(values)


def gain(values: list[float]) -> float:
    """How much the mean of the last tenth is above the mean of the first."""
    tenth = max(len(values) // 10, 1)
    return mean(values[-tenth:]) - mean(values[:tenth])
