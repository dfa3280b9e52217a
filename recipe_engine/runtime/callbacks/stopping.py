"""SIGTERM and SIGINT: every process stops after the same step, with a checkpoint to go on from."""

from __future__ import annotations

import os
import signal
from types import FrameType
from typing import Any

import torch
from torch import distributed
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments


class Stopping(TrainerCallback):
    """Saves and ends training once a signal has come to any of the processes; a second one ends a process at once."""

    def __init__(self) -> None:
        self.received = 0
        """The signal that this process got."""
        self.agreed = 0
        """The signal for which all processes stopped; 0 while training goes on, or has come to its end."""
        self.before: dict[int, Any] = {}

    def on_train_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            self.before[number] = signal.signal(number, self._take)

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        if state.global_step >= state.max_steps:
            return  # there is nothing left to stop
        self.agreed = self.received
        if distributed.is_initialized():
            highest = torch.tensor(self.received, device=args.device)
            distributed.all_reduce(highest, distributed.ReduceOp.MAX)
            self.agreed = int(highest)
        if self.agreed:
            control.should_save = control.should_training_stop = True
            control.should_evaluate = False

    def on_train_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        for number, handler in self.before.items():
            signal.signal(number, handler)

    def _take(self, number: int, _: FrameType | None) -> None:
        if self.received:
            os._exit(128 + number)
        self.received = number
