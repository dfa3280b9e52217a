"""Every algorithm under every strategy on two CPU processes, two steps each, as a table. Run by hand:

    python benchmarks/what_runs_under_what.py [--algorithms grpo,ppo] [--strategies ddp,zero3] [OVERRIDE...]

The quickstart of the algorithm runs from the embedded model, with a reward that differs between completions. ``same``:
the losses are those of the first strategy to five digits (both sample from the same generators). Overrides are passed
on, such as ``model.use_lora=true`` or ``launch.offload_parameters=true``. A run takes about 15 s of both cores.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from math import isclose
from pathlib import Path
from typing import Any

import yaml

from recipe_engine.algorithms import NAMES, algorithm

ROOT = Path(__file__).parents[1]
STRATEGIES = ("ddp", "zero1", "zero2", "zero3", "fsdp2")
MODEL = "builtin/tiny-chat"
STEPS = 2
_LEFT_OUT = ("overwrite_output_dir", "eval_strategy", "eval_steps", "eval_on_start", "gradient_accumulation_steps")


def recipe(name: str, strategy: str, folder: Path) -> Path:
    """The quickstart of an algorithm, cut down to two steps of 8 rows and spread over two processes."""
    tree: dict[str, Any] = yaml.safe_load((ROOT / f"recipes/quickstart/{name}.yaml").read_text(encoding="utf-8"))
    training = {key: value for key, value in tree["training"].items() if key not in _LEFT_OUT}
    training |= {"output_dir": str(folder / "out"), "max_steps": STEPS, "logging_steps": 1, "warmup_steps": 0}
    training |= {"per_device_train_batch_size": 4, "learning_rate": 1e-3, "save_strategy": "no"}
    for setting, value in (("num_generations", 4), ("max_completion_length", 4), ("teacher_model", MODEL)):
        if setting in training:
            training[setting] = value
    if "rewards" in tree:
        tree["rewards"] = [{"type": "length", "unit": "characters", "max": 2, "slope": 30}]
        if "beta" in algorithm(name).settings.model_fields:
            training["beta"] = 0.05  # with a reference model
    tree["data"].pop("eval_datasets", None)
    tree["model"] = {"base_model_name": MODEL}
    tree["training"] = training
    tree["launch"] = {"strategy": strategy, "cpu_processes": 2, "restarts": 0, "hang_minutes": 2}
    file = folder / "recipe.yaml"
    file.write_text(yaml.safe_dump(tree, sort_keys=False), encoding="utf-8")
    return file


def losses(name: str, strategy: str, overrides: list[str]) -> list[float] | str:
    """The losses of the run, or what it said last."""
    with tempfile.TemporaryDirectory() as folder:
        file = recipe(name, strategy, Path(folder))
        command = [sys.executable, "-m", "recipe_engine.cli", "train", "--num-gpus", "0", "--config", str(file)]
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
        done = subprocess.run(
            [*command, *overrides], cwd=folder, env=environment, capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            return (done.stdout + done.stderr).strip()[-400:]
        lines = (Path(folder) / "out/run/metrics.jsonl").read_text(encoding="utf-8").splitlines()
        return [entry["loss"] for entry in map(json.loads, lines) if "loss" in entry]


def main() -> None:
    """Print the table as its rows are found, then what the runs that failed said."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--algorithms", default=",".join(NAMES))
    parser.add_argument("--strategies", default=",".join(STRATEGIES))
    arguments, overrides = parser.parse_known_args()
    strategies = arguments.strategies.split(",")
    print(f"| algorithm | {' | '.join(strategies)} |\n|{'---|' * (len(strategies) + 1)}")
    failures: list[str] = []
    for name in arguments.algorithms.split(","):
        first, cells = None, []
        for strategy in strategies:
            found = losses(name, strategy, overrides)
            if isinstance(found, str):
                failures.append(f"{name} under {strategy}: {found}")
                cells.append("fails")
                continue
            first = found if first is None else first
            same = all(isclose(a, b, rel_tol=1e-5, abs_tol=1e-6) for a, b in zip(found, first, strict=True))
            cells.append("same" if same else f"{found}, not {first}")
        print(f"| {name} | {' | '.join(cells)} |", flush=True)
    print(*failures, sep="\n\n")


if __name__ == "__main__":
    main()
