"""A run in which nothing moves any more: noticed, and shown where each of its processes stands."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

from recipe_engine.launch.supervise import SignalAll
from recipe_engine.progress import FOLDER, STACKS, Beat, read_beats

_STACKS_SECONDS = 2.0
_STACK_LINES = 60
"""Lines that are shown of one process."""
_LONGEST_INTERVAL = 30.0
_UNLIMITED = {"loading", "finishing"}
"""Before the first step and after the last one, models are read from the network and sent there."""


class HangWatch:
    """Ends a run once the beats of its processes have not changed for a time, from the first step to the last.

    Only change counts, as seen here and under this machine's monotonic clock. A process that waits for the others does
    not beat, so one that is stuck soon stops all.
    """

    def __init__(self, run_dir: Path, seconds: float, say: Callable[[str], None]) -> None:
        self._run_dir = run_dir
        self._seconds = seconds
        self._say = say
        self._interval = min(seconds / 20, _LONGEST_INTERVAL)
        self._looked = time.monotonic()
        self._still = 0.0
        """Seconds for which nothing has moved while this process was looking: it may itself have been stopped."""
        self._beats: dict[int, Beat] = {}

    def forget(self) -> None:
        """Remove what the processes of an earlier attempt wrote."""
        for file in (self._run_dir / FOLDER).glob("*"):
            file.unlink(missing_ok=True)

    def look(self, signal_all: SignalAll) -> str | None:
        """Why the run has to be ended, if it has. By then the processes have written down where they stand."""
        now = time.monotonic()
        if (passed := now - self._looked) < self._interval:
            return None
        self._looked = now
        beats = read_beats(self._run_dir)
        if beats != self._beats or all(beat.phase in _UNLIMITED for beat in beats.values()):
            self._beats, self._still = beats, 0.0
            return None
        self._still += min(passed, 2 * self._interval)
        if self._still < self._seconds:
            return None
        signal_all(signal.SIGUSR1)
        time.sleep(_STACKS_SECONDS)
        for rank in sorted(beats):
            self._say(f"process {rank}, {_place(beats[rank])}, stands at:\n{self._stack(rank)}")
        return f"nothing has moved for {self._seconds / 60:.4g} minutes: {laggards(beats)}"

    def _stack(self, rank: int) -> str:
        file = self._run_dir / FOLDER / f"{rank}{STACKS}"
        try:
            lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            lines = []
        shown = lines[:_STACK_LINES] + ([f"  ({len(lines) - _STACK_LINES} more lines)"] * (len(lines) > _STACK_LINES))
        return os.linesep.join(shown) or "  (it does not answer: it is stopped, or waits within the system)"


def laggards(beats: dict[int, Beat]) -> str:
    """Which processes the others wait for: those that have come least far."""
    order = {rank: (beat.step, beat.count) for rank, beat in beats.items()}
    least = min(order.values())
    behind = [rank for rank in sorted(order) if order[rank] == least]
    place = _place(beats[behind[0]])
    if len(behind) == len(beats):
        return f"the process is {place}" if len(beats) == 1 else f"all processes are {place}"
    names = ", ".join(map(str, behind))
    who = f"process {names} is" if len(behind) == 1 else f"processes {names} are"
    return f"{who} {place}, and the others wait for {'it' if len(behind) == 1 else 'them'}"


def _place(beat: Beat) -> str:
    return f"in step {beat.step + 1} ({beat.phase})"
