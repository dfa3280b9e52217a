"""Small pipelines that need no torch, run as a user runs them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
CHOOSING = """\
output_dir: out
stages:
  - {id: scored, kind: prepare, rows: ./scored.jsonl}
  - {id: best, kind: select, rows: $scored, how: best_of_n}
  - {id: short, kind: prepare, rows: $best, steps: [{do: columns, keep: [prompt, completion]}]}
"""
"""Rows with rewards, the best of each prompt, and two of its columns."""


def write_scored(folder: Path, prompts: int = 4, samples: int = 3) -> Path:
    """Rows as a score stage makes them: the last sample of each prompt is the best."""
    file = folder / "scored.jsonl"
    rows = [
        {
            "prompt_id": f"p{prompt}",
            "prompt": f"question {prompt}",
            "sample_idx": sample,
            "completion": f"answer {prompt}.{sample}",
            "reward": float(sample),
        }
        for prompt in range(prompts)
        for sample in range(samples)
    ]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return file


def write(folder: Path, text: str, name: str = "pipeline.yaml") -> Path:
    file = folder / name
    file.write_text(text, encoding="utf-8")
    return file


def recipe(folder: Path, *arguments: str, timeout: float = 120) -> subprocess.CompletedProcess[str]:
    """The command, in a process of its own that is started in ``folder``."""
    return subprocess.run(
        [sys.executable, "-m", "recipe_engine.cli", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=timeout,
    )


def run(folder: Path, *arguments: str, file: str = "pipeline.yaml") -> subprocess.CompletedProcess[str]:
    """``recipe run`` on the CPU."""
    return recipe(folder, "run", file, *arguments, "--num-gpus", "0")


def said(done: subprocess.CompletedProcess[str], word: str) -> list[str]:
    """The stages of which the driver said ``runs``, ``skipped`` or ``done``, in order."""
    lines = [line.split(" ", 1)[1] for line in done.stdout.splitlines() if line[:2].isdigit() and " " in line]
    return [line.split(":")[0] for line in lines if f": {word}" in line]


def rows(folder: Path, key: str, split: str = "train") -> list[dict[str, Any]]:
    """The rows that a stage has made."""
    files = sorted((folder / "out" / key / "rows" / split).glob("part-*.jsonl"))
    return [json.loads(line) for file in files for line in file.read_text(encoding="utf-8").splitlines()]
