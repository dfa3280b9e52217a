"""Small trainings through the command line, in processes of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from .support import ROOT

SECONDS = 240.0

_QUICK = {
    "learning_rate": 1e-3,
    "logging_steps": 1,
    "save_strategy": "no",
    "bf16": False,
    "gradient_checkpointing": False,
}


def recipe(file: str, algorithm: str = "sft", **blocks: Any) -> Path:
    """Write a recipe of the embedded model; ``blocks`` are merged into its blocks."""
    data = "builtin/questions" if algorithm in {"grpo", "gspo"} else "builtin/completions"
    tree: dict[str, Any] = {
        "model": {"base_model_name": "builtin/tiny-chat", "torch_dtype": "float32"},
        "data": {"datasets": [{"name": data, "max_samples": 32}], "max_length": 64},
        "training": {"algorithm": algorithm, **_QUICK},
    }
    for name, block in blocks.items():
        tree[name] = {**tree.get(name, {}), **block} if isinstance(block, dict) else block
    Path(file).parent.mkdir(parents=True, exist_ok=True)
    Path(file).write_text(yaml.safe_dump(tree, sort_keys=False), encoding="utf-8")
    return Path(file)


def environment(given: Mapping[str, str] | None = None) -> dict[str, str]:
    """What a command is started with: one thread, no network, this checkout."""
    quiet = {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "PYTHONPATH": str(ROOT), "NO_COLOR": "1"}
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("WANDB_", "GITHUB_"))}
    return {**kept, **quiet, **(given or {})}


def command(*arguments: str) -> list[str]:
    """The command line of ``recipe``."""
    return [sys.executable, "-m", "recipe_engine.cli", *arguments]


def train(config: Path, *arguments: str, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Train a recipe on the CPU to its end."""
    return subprocess.run(
        command("train", "--config", str(config), "--num-gpus", "0", *arguments),
        env=environment(env),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=SECONDS,
        check=False,
    )


def logged(run: str, name: str) -> list[float]:
    """A number of a run's metrics, in the order in which it was logged."""
    lines = Path("models", run, "run", "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    return [entry[name] for entry in map(json.loads, lines) if name in entry]
