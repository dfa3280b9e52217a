"""Progress: a bar in a terminal, plain lines in a log."""

from __future__ import annotations

import sys
import time
from datetime import timedelta
from typing import Any

from tqdm.auto import tqdm  # type: ignore[import-untyped]
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

# Shown first, in this order, where the trainer logs them; the rest is in metrics.jsonl.
SHOWN = (
    "loss",
    "eval_loss",
    "reward",
    "reward_std",
    "rewards/accuracies",
    "accuracy",
    "eval_accuracy",
    "rewards/margins",
    "kl",
    "completions/mean_length",
    "mean_token_accuracy",
    "grad_norm",
    "learning_rate",
)


class Progress(TrainerCallback):
    """Shows the step, the time left and the main numbers, from the first process alone."""

    def __init__(self) -> None:
        self.bar: tqdm[Any] | None = None
        self.started = 0.0
        self.first_step = 0

    def on_train_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        self.started, self.first_step = time.monotonic(), state.global_step
        if state.is_world_process_zero and sys.stderr.isatty():
            self.bar = tqdm(total=state.max_steps, initial=state.global_step, unit="step", dynamic_ncols=True)

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        if self.bar is not None:
            self.bar.update(state.global_step - self.bar.n)

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
        if "train_runtime" in logs and self.started:
            logs = {**logs, "train_runtime": time.monotonic() - self.started}  # transformers' goes by the clock
        line = f"step {state.global_step}/{state.max_steps}  {summary(logs)}{self._time_left(state)}"
        if self.bar is not None:
            self.bar.write(line)
        else:
            print(line, flush=True)

    def on_train_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        if self.bar is not None:
            self.bar.close()

    def _time_left(self, state: TrainerState) -> str:
        done = state.global_step - self.first_step
        left = state.max_steps - state.global_step
        if self.bar is not None or done == 0 or left <= 0:
            return ""
        seconds = (time.monotonic() - self.started) / done * left
        return f"  left {timedelta(seconds=round(seconds))}"


def summary(logs: dict[str, Any]) -> str:
    """The main numbers of a log entry on one line."""
    if "train_runtime" in logs:
        return f"trained for {timedelta(seconds=round(logs['train_runtime']))}, mean loss {_short(logs['train_loss'])}"
    shown = [f"{name} {_short(logs[name])}" for name in SHOWN if name in logs]
    return "  ".join(shown) or "  ".join(f"{name} {_short(value)}" for name, value in list(logs.items())[:6])


def _short(value: Any) -> str:
    try:
        return f"{float(value):.4g}"
    except (TypeError, ValueError):
        return str(value)
