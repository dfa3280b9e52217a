"""`recipe train` against the shortest TRL script of the same arguments, data and seed. Run by hand, on a quiet machine:

    python benchmarks/against_raw_trl.py

Both are started in turns, so that what else the machine does weighs on both alike. The logged losses must be the same
to the last digit; the time from the start of the command to its first logged step, the time of a step after that, and
the processor time of the whole (which other programs hardly change) are compared as ratios. One thread computes unless
OMP_NUM_THREADS says otherwise: on a machine with other work, more would measure how they wait for each other.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROWS = 1000
LOGGED_EVERY = 10
ROOT = Path(__file__).parents[1]

RAW = """\
from datasets import load_dataset
from trl import SFTConfig, SFTTrainer

trainer = SFTTrainer(
    {model!r},
    args=SFTConfig({output!r}, **{arguments!r}),
    train_dataset=load_dataset("json", data_files={rows!r}, split="train"),
)
trainer.train()
trainer.save_model()
"""


@dataclass(frozen=True, slots=True)
class Timing:
    """One training: its losses as logged, and its times in seconds."""

    losses: list[str]
    first_step: float
    step: float
    processor: float


def main() -> None:
    """Measure, and print losses, medians and ratios."""
    parser = argparse.ArgumentParser(description=__doc__.split(". ", 1)[0])
    parser.add_argument("--model", default="builtin/tiny-chat", help="the model to train")
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--runs", type=int, default=5)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rows = write_rows(folder / "rows.jsonl")
        arguments = {
            "max_steps": given.steps,
            "per_device_train_batch_size": 8,
            "learning_rate": 1e-3,
            "logging_steps": LOGGED_EVERY,
            "logging_first_step": True,
            "save_strategy": "no",
            "gradient_checkpointing": False,
            "dataloader_pin_memory": False,
            "bf16": False,
            "seed": 7,
        }
        ours, raw = (
            recipe_command(folder, given.model, rows, arguments),
            raw_command(folder, given.model, rows, arguments),
        )
        for command in (ours, raw):  # files come into the machine's cache, and the embedded model is built
            timed(folder, command)
        pairs = [(timed(folder, ours), timed(folder, raw)) for _ in range(given.runs)]
    report(pairs)


def report(pairs: list[tuple[Timing, Timing]]) -> None:
    """Print what was measured. The least time is the one that other programs disturbed least."""
    losses = {tuple(timing.losses) for pair in pairs for timing in pair}
    verdict = "the same in all runs" if len(losses) == 1 else f"{len(losses)} different series"
    print(f"losses: {verdict}")
    for series in sorted(losses):
        print(f"  {' '.join(series)}")
    for label, name in (("to the first step", "first_step"), ("a step", "step"), ("processor", "processor")):
        ours, raw = ([getattr(timing, name) for timing in side] for side in zip(*pairs, strict=True))
        for kind, of in (("median", statistics.median), ("least", min)):
            one, other = of(ours), of(raw)
            print(f"{label}, {kind}: recipe train {one:.4f} s, raw TRL {other:.4f} s, ratio {one / other:.3f}")


def write_rows(file: Path) -> str:
    """Conversations about sums, of various lengths."""
    draw = random.Random(0)
    with file.open("w", encoding="utf-8") as stream:
        for _ in range(ROWS):
            numbers = [draw.randrange(1000) for _ in range(draw.randrange(2, 20))]
            question = f"Add: {' '.join(map(str, numbers))}"
            turns = [{"role": "user", "content": question}, {"role": "assistant", "content": str(sum(numbers))}]
            stream.write(json.dumps({"messages": turns}) + "\n")
    return str(file)


def recipe_command(folder: Path, model: str, rows: str, arguments: dict[str, Any]) -> list[str]:
    """Train as a user of recipes does."""
    recipe = {
        "model": {"base_model_name": model},
        "data": {"datasets": [{"name": rows}], "max_length": 512},
        "training": {"algorithm": "sft", "output_dir": str(folder / "ours"), "overwrite_output_dir": True, **arguments},
    }
    file = folder / "recipe.yaml"
    file.write_text(json.dumps(recipe), encoding="utf-8")  # JSON is YAML
    return [sys.executable, "-m", "recipe_engine.cli", "train", "--config", str(file), "--num-gpus", "0"]


def raw_command(folder: Path, model: str, rows: str, arguments: dict[str, Any]) -> list[str]:
    """Train as a user of TRL does."""
    from recipe_engine.runtime import builtin_model

    path = str(builtin_model.ensure(model)) if model.startswith("builtin/") else model
    settings = {**arguments, "max_length": 512, "use_cpu": True, "disable_tqdm": True, "report_to": "none"}
    file = folder / "raw.py"
    file.write_text(RAW.format(model=path, output=str(folder / "raw"), arguments=settings, rows=rows), encoding="utf-8")
    return [sys.executable, str(file)]


def timed(folder: Path, command: list[str]) -> Timing:
    """Run a training and read its losses off its output as they appear."""
    # A fresh cache for `datasets`, else raw TRL would find the rows of the run before already tokenized.
    with tempfile.TemporaryDirectory(dir=folder) as cache:
        environment = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "PYTHONUNBUFFERED": "1",
            "TOKENIZERS_PARALLELISM": "false",
            "HF_DATASETS_CACHE": cache,
            "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1"),
        }
        losses: list[str] = []
        moments: list[float] = []
        start = time.perf_counter()
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        assert process.stdout is not None
        output = []
        for line in process.stdout:
            output.append(line)
            if found := re.search(r"(?:^step \d+/\d+  loss |'loss': '?)([0-9.e+-]+)", line):
                moments.append(time.perf_counter() - start)
                losses.append(found[1])
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0 or len(moments) < 2:
            raise RuntimeError(f"{command} ended with exit code {process.returncode}:\n{''.join(output)}")
    # The first step is logged, then every tenth: the second moment ends 9 steps, each later one 10.
    steps = LOGGED_EVERY * (len(moments) - 1) - 1
    return Timing(losses, moments[0], (moments[-1] - moments[0]) / steps, used.ru_utime + used.ru_stime)


if __name__ == "__main__":
    main()
