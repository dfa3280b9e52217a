"""``--nohup``: a run that outlives the shell it was started from."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

FIRST_SECONDS = 10.0
"""How long the start is watched: a run that dies within them is reported at once."""


@dataclass(frozen=True, slots=True)
class Background:
    """A detached run."""

    pid: int
    pid_file: Path
    exit_code: int | None
    """Its exit code, where it ended within the first seconds."""


def start_in_background(compiled: Path, log: Path) -> Background:
    """Start the compiled run in a new session with its output in ``log``, and watch its first seconds."""
    command = [sys.executable, "-m", "recipe_engine.launch.detached", str(compiled), str(log)]
    with log.open("ab") as stream:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
    pid_file = log.with_suffix(".pid")
    pid_file.write_text(f"{process.pid}\n", encoding="ascii")
    deadline = time.monotonic() + FIRST_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.1)
    return Background(process.pid, pid_file, process.poll())
