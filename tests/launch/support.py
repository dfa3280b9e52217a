"""Real processes: started, signalled, and looked for afterwards."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
SECONDS = 30.0
"""How long something may take that takes a moment, on a machine that is busy with other things."""

_SUPERVISE = """
import os, sys
from pathlib import Path
from recipe_engine.launch.supervise import supervise
log, grace, *command = sys.argv[1:]
sys.exit(supervise(command, os.environ, Path(log) if log else None, grace=float(grace)).code)
"""

# What a supervised Python is given beside its own lines: it tells its number, and can start others that do.
_PRELUDE = """
import os, signal, subprocess, sys, time
def tell():
    with open("pids", "a") as stream: stream.write(f"{os.getpid()}\\n")
def start(code, **options):
    return subprocess.Popen([sys.executable, "-c", prelude + code], **options)
tell()
"""


def prelude(code: str) -> str:
    """``code`` with what the supervised processes of the tests have at hand."""
    return f"prelude = {_PRELUDE!r}\nprelude = 'prelude = ' + repr(prelude) + prelude\nexec(prelude)\n{code}"


@dataclass
class Supervised:
    """A supervisor in a process of its own, its output, and the processes below it that told their numbers."""

    process: subprocess.Popen[bytes]
    folder: Path

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text(encoding="utf-8")

    @property
    def pids(self) -> list[int]:
        file = self.folder / "pids"
        return [int(line) for line in file.read_text().split()] if file.exists() else []

    def signal(self, number: int, processes: int = 1) -> None:
        """Send a signal once ``processes`` processes are there."""
        wait_for(lambda: len(self.pids) >= processes)
        self.process.send_signal(number)

    def end(self) -> tuple[int, bytes]:
        """The exit code, and what was written to the screen."""
        out, _ = self.process.communicate(timeout=SECONDS)
        return self.process.returncode, out


def supervised(
    folder: Path,
    code: str,
    *,
    log: bool = True,
    grace: float = SECONDS,
    environment: Mapping[str, str] | None = None,
    stdout: int = subprocess.PIPE,
) -> Supervised:
    """Supervise a Python that runs ``code`` in ``folder``."""
    command = [sys.executable, "-c", _SUPERVISE, str(folder / "log") if log else "", str(grace)]
    process = subprocess.Popen(
        [*command, sys.executable, "-c", prelude(code)],
        cwd=folder,
        stdout=stdout,
        stderr=subprocess.STDOUT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", **(environment or {})},
    )
    return Supervised(process, folder)


def wait_for(happened: Callable[[], object], seconds: float = SECONDS) -> None:
    """Wait until something is so; fail if it takes too long."""
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)


def is_running(pid: int) -> bool:
    """Whether a process is there that does something: one that has ended and that nobody asks about does not count."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return False
    return status.rpartition(")")[2].split()[0] not in "ZX"


def stop(pid: int) -> None:
    """End a process that a failed test may have left."""
    if is_running(pid):
        os.kill(pid, signal.SIGKILL)
