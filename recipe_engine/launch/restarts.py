"""What an attempt to train came to, and whether another one follows."""

from __future__ import annotations

import re
import signal
from dataclasses import dataclass, field
from pathlib import Path

from recipe_engine.checkpoints import MARKER, whole_checkpoints
from recipe_engine.compiled import FINISHED, STOPPED, CompiledRun
from recipe_engine.launch.companions import Outcome
from recipe_engine.launch.failure import EXIT_PASSING, Failure
from recipe_engine.launch.supervise import Ended

EXIT_UNFINISHED = 1
"""Exit code of a run whose worker ended without an error and without a model."""
LONGEST_PAUSE = 600.0
"""Seconds between two attempts, at most."""

_CRASHES = {
    128 + number
    for number in (
        *(signal.SIGKILL, signal.SIGBUS, signal.SIGSEGV, signal.SIGABRT, signal.SIGILL, signal.SIGFPE),
        signal.SIGPIPE,
    )
}
_PORT_TAKEN = re.compile(rb"server socket has failed to (?:bind|listen).*EADDRINUSE|EADDRINUSE.*server socket")
"""What torch says where another program took the port at which the processes were to meet."""


def outcome_of(run: CompiledRun, ended: Ended, failure: Failure | None, said: bytes, node: int) -> Outcome:
    """What an attempt came to on this machine, from how its command ended and what it wrote down and ``said``."""
    stopped = Path(run.run_dir, STOPPED)
    reason = str(failure) if failure is not None and run.processes > 1 else ""
    if Path(run.run_dir, FINISHED).is_file():
        return Outcome(0)  # also where a signal came after the last step
    if ended.code != 0 and stopped.is_file():
        return Outcome(128 + int(stopped.read_text(encoding="ascii")))
    if ended.asked:
        return Outcome(ended.code)
    if ended.reason is not None:
        return Outcome(EXIT_PASSING, ended.reason, passing=True)
    if ended.code == 0:
        # Process 0 saves the model, and may be on another machine.
        return Outcome(0) if node > 0 else Outcome(EXIT_UNFINISHED, "the worker ended early and saved no model")
    if _PORT_TAKEN.search(said):
        return Outcome(EXIT_PASSING, "another program took the port at which its processes meet", passing=True)
    return Outcome(ended.code, reason, passing=ended.code == EXIT_PASSING or ended.code in _CRASHES)


@dataclass
class Restarts:
    """Counts the restarts of a run."""

    run: CompiledRun
    in_a_row: int = 0
    """Restarts since the last checkpoint."""
    _before: set[tuple[str, int]] = field(init=False)
    _newest: str | None = field(init=False)

    def __post_init__(self) -> None:
        # A run may go on from an earlier checkpoint than the last one that lies there.
        self._before = set(self._saved().values())
        self._newest = self.run.checkpoint

    def checkpoint(self) -> str | None:
        """The checkpoint that another attempt goes on from: the newest that this run has saved, or its first one."""
        saved = [path for path, state in self._saved().items() if state not in self._before]
        can_go_on = saved and not self.run.arguments.get("save_only_model")
        return saved[-1] if can_go_on else self.run.checkpoint

    def allows(self, outcome: Outcome) -> bool:
        """Whether another attempt follows. Counts it."""
        if not outcome.passing:
            return False
        if outcome.checkpoint != self._newest:
            self._newest, self.in_a_row = outcome.checkpoint, 0
        if self.in_a_row >= self.run.launch.restarts:
            return False
        self.in_a_row += 1
        return True

    @property
    def pause(self) -> float:
        """Seconds to wait before the attempt that was allowed."""
        return min(self.run.launch.restart_seconds * 2.0 ** (self.in_a_row - 1), LONGEST_PAUSE)

    def _saved(self) -> dict[str, tuple[str, int]]:
        """The whole checkpoints in the order of their steps, each with what tells it from one of the same name."""
        found = whole_checkpoints(Path(self.run.output_dir))
        return {str(path): (path.name, (path / MARKER).stat().st_mtime_ns) for path in found}
