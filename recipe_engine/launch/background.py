"""``--nohup``: a run that outlives the shell it was started from."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from recipe_engine.launch.command import safe_path
from recipe_engine.launch.lock import Lock
from recipe_engine.launch.nodes import Place

FIRST_SECONDS = 20.0
"""How long the start is watched, at most: a run that dies within them is reported at once."""
_POLL_SECONDS = 0.1


def start_in_background(
    compiled: Path, log: Path, held: Lock | None, place: Place | None = None
) -> subprocess.Popen[bytes]:
    """Start the compiled run in a new session with its output in ``log``. It keeps the lock on its folder, which of
    several machines the first one holds."""
    command = [sys.executable, "-m", "recipe_engine.launch.detached", str(compiled), str(log)]
    command += ["-" if held is None else str(held.descriptor), *([] if place is None else [str(place)])]
    with log.open("ab") as stream:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            pass_fds=() if held is None else (held.descriptor,),
            env={**os.environ, **safe_path(), "PYTHONUNBUFFERED": "1"},
        )
    if held is not None:
        held.name_holder(process.pid)
    return process


def watch_start(process: subprocess.Popen[bytes], metrics: Path) -> int | None:
    """Wait until the run has trained its first step, or has ended; not for longer than the first seconds.

    Returns its exit code where it ended.
    """
    before = _size(metrics)  # a resumed run has metrics already
    deadline = time.monotonic() + FIRST_SECONDS
    while process.poll() is None and time.monotonic() < deadline and _size(metrics) == before:
        time.sleep(_POLL_SECONDS)
    return process.poll()


def _size(file: Path) -> int:
    return file.stat().st_size if file.exists() else 0
