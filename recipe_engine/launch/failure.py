"""Which training process failed first, as the launcher of several writes it down for whoever started it."""

from __future__ import annotations

import json
import os
import signal
from dataclasses import asdict, dataclass
from pathlib import Path

EXIT_PASSING = os.EX_TEMPFAIL
"""Exit code (75) of a training process that something outside of it ended, such as a lost connection."""


@dataclass(frozen=True, slots=True)
class Failure:
    """A training process that did not end well."""

    rank: int
    pid: int
    code: int
    """As ``subprocess`` gives it: -n for signal n."""
    error: str = ""
    """What it said last of why, where that is known here."""

    @property
    def exit_code(self) -> int:
        """The code as a shell gives it: 128 + n for signal n."""
        return self.code if self.code >= 0 else 128 - self.code

    def __str__(self) -> str:
        who = f"process {self.rank} ({self.pid})"
        if self.code >= 0:
            return f"{who} ended with exit code {self.code}"
        return f"{who} was killed by {signal_name(-self.code)}"


def signal_name(number: int) -> str:
    """``SIGKILL`` for 9; real-time signals have a number alone."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def write_failure(run_dir: Path, node: int, failure: Failure) -> None:
    """Leave word of the failure in the run's folder."""
    _file(run_dir, node).write_text(json.dumps(asdict(failure)), encoding="utf-8")


def take_failure(run_dir: Path, node: int) -> Failure | None:
    """The failure that this machine's launcher wrote down, and forget it."""
    file = _file(run_dir, node)
    try:
        return Failure(**json.loads(file.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):  # a launcher that was killed writes none, or half of one
        return None
    finally:
        file.unlink(missing_ok=True)


def _file(run_dir: Path, node: int) -> Path:
    return run_dir / f"failure-{node}.json"
