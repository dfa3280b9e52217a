"""metrics.jsonl: every logged number, a line each time, whatever tracker is used."""

from __future__ import annotations

import json
import math
import time
from pathlib import Path
from typing import Any

import torch
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from recipe_engine.data.shards import write_whole
from recipe_engine.lines import append_line, read_lines

METRICS = "metrics.jsonl"
"""The file's name in the run's folder."""


class MetricsFile(TrainerCallback):
    """Appends what the trainer logs to a file, from the first process alone."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def on_train_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Take back what was logged after the checkpoint that training goes on from: it will be logged again.

        So is a line that was cut off. The file is replaced as a whole: whoever is killed here leaves the old one.
        """
        if state.is_world_process_zero and self.path.is_file():
            kept = [line for line in read_metrics(self.path) if line["step"] <= state.global_step]
            write_whole(self.path, "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in kept))

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, Any] | None = None,
        **_: Any,
    ) -> None:
        if not state.is_world_process_zero or not logs:
            return
        line = {"step": state.global_step, "max_steps": state.max_steps, "time": round(time.time(), 3), **finite(logs)}
        if torch.cuda.is_available() and args.device.type == "cuda":
            line["gpu_memory_gib"] = round(torch.cuda.max_memory_allocated() / 2**30, 3)
        append_line(self.path, line)


def finite(logs: dict[str, Any]) -> dict[str, Any]:
    """JSON has no NaN: such a number is written as text, so that it is seen and not taken for a gap."""
    return {
        name: str(value) if isinstance(value, float) and not math.isfinite(value) else value
        for name, value in logs.items()
    }


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """The lines of a metrics file. One that was cut off, as a machine loses its power, is left out."""
    return [line for line in read_lines(path) if "step" in line]
