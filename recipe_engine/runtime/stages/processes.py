"""The processes of a stage: this one, or one for each GPU."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence

from recipe_engine.runtime.errors import RunError

_POLL_SECONDS = 0.1
_PARENT_DEATH = 1


class WorkerEndedError(RunError):
    """A process of the stage ended with an error, which it has said itself."""

    def __init__(self, code: int) -> None:
        super().__init__(f"a process of the stage ended with exit code {code}")
        self.code = code


def run_workers(folder: str, name: str, devices: Sequence[str | None]) -> None:
    """Run a worker for each entry of ``devices`` (what it may see of the GPUs; none: as here) until all have ended.

    When one ends with an error, the others are ended too.

    Raises:
        WorkerEndedError: one did.
    """
    command = [sys.executable, "-m", "recipe_engine.runtime", "stage-worker", folder, name]
    running = [
        subprocess.Popen(command, env=_environment(device), stdin=subprocess.DEVNULL, preexec_fn=_end_with_parent)
        for device in devices
    ]
    try:
        while any(worker.poll() is None for worker in running):
            failed = [worker for worker in running if worker.poll() not in (None, 0)]
            if failed:
                break
            time.sleep(_POLL_SECONDS)
    finally:
        for worker in running:
            if worker.poll() is None:
                worker.terminate()
        for worker in running:
            worker.wait()
    # One that was ended because another failed has the signal's code.
    codes = [worker.returncode for worker in running if worker.returncode != 0]
    if codes:
        raise WorkerEndedError(max(codes))


def devices_of(gpus: int, each: int) -> list[str | None]:
    """What each process sees of ``gpus`` GPUs, ``each`` of them together; one process without any sees none."""
    if gpus == 0:
        return [None]
    given = os.environ.get("CUDA_VISIBLE_DEVICES")
    names = given.split(",") if given else [str(number) for number in range(gpus)]
    count = max(gpus // each, 1)
    return [",".join(names[place * each : (place + 1) * each]) for place in range(count)]


def _environment(device: str | None) -> dict[str, str]:
    seen = {} if device is None else {"CUDA_VISIBLE_DEVICES": device}
    return {**os.environ, **seen, "PYTHONUNBUFFERED": "1"}


def _end_with_parent() -> None:
    """On Linux: be ended when the process that started this one is, however it ended."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PARENT_DEATH, signal.SIGKILL)
