"""SIGTERM and SIGINT: every process stops after the same step, with a checkpoint to go on from.

One wish to stop may come as several signals: Slurm sends SIGTERM to every process of a job, and the launcher passes on
its own. So a process counts the first one alone; what a second wish means, the launcher decides.
"""

from __future__ import annotations

import os
import select
import signal
from types import FrameType
from typing import Any

import torch
from torch import distributed
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments


class Stopping(TrainerCallback):
    """Saves and ends training once a signal has come to any of the processes."""

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

    def restore(self) -> None:
        """Leave signals to whoever had them before. Until then one that comes after the last step ends nothing."""
        for number, handler in self.before.items():
            signal.signal(number, handler)

    def _take(self, number: int, _: FrameType | None) -> None:
        self.received = self.received or number
        _leave_broken_pipes()


def _leave_broken_pipes() -> None:
    """Where whoever read the output is dead, as a launcher that was killed, print to nowhere: saving goes on."""
    for descriptor in (1, 2):
        watched = select.poll()
        watched.register(descriptor, 0)
        if any(event & (select.POLLERR | select.POLLHUP) for _, event in watched.poll(0)):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, descriptor)
            os.close(nowhere)
