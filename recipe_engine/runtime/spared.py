"""The processes that help one that trains end with it, and not before.

Slurm sends SIGTERM to every process of a job, and systemd to every process of a unit. The process that trains then ends
its step and saves, for which it needs the batch and the rewards that these are at work on.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any


@contextmanager
def spared() -> Iterator[None]:
    """What this thread starts within the block keeps SIGTERM blocked; whoever started it ends it in other ways."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def spare_data_workers(trainer: Any) -> None:
    """Spare the processes that load a trainer's batches: one that ends makes torch end the step with an error."""
    if sys.platform != "linux":  # others cannot tell who sent a signal
        return
    prepare = trainer.accelerator.prepare_data_loader

    def prepared(loader: Any, *arguments: Any, **keywords: Any) -> Any:
        if loader.num_workers > 0:
            loader.worker_init_fn = partial(_begin, loader.worker_init_fn)
        return prepare(loader, *arguments, **keywords)

    trainer.accelerator.prepare_data_loader = prepared


def _begin(further: Callable[[int], None] | None, worker: int) -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    threading.Thread(target=_end_when_the_trainer_says, daemon=True).start()
    if further is not None:
        further(worker)


def _end_when_the_trainer_says() -> None:
    """As torch's own handler does, which takes a signal of any other process for an error."""
    trainer = os.getppid()
    while signal.sigwaitinfo({signal.SIGTERM}).si_pid != trainer:
        pass
    os._exit(0)
