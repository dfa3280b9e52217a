"""Running a command to its end: its output to the screen and to a log, signals passed on to all of its processes."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from recipe_engine.launch.asked import Wishes, signals_go_to
from recipe_engine.launch.group import end_with_parent, kill_all, new_mark, signal_trainers
from recipe_engine.launch.tee import Screen, Tee

EXIT_INTERRUPTED = 130
EXIT_TERMINATED = 143

SignalAll = Callable[[int], None]
"""Sends a signal to every process that trains."""
Watch = Callable[[SignalAll], str | None]
"""Looks at the processes, some times a second. What it returns is why they have to be ended, at once."""

_POLL_SECONDS = 0.1
_DRAIN_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Ended:
    """How a supervised command ended."""

    code: int
    """Its exit code; 128 + n where signal n was sent to this process or ended the command."""
    asked: bool = False
    """Whether this process was sent a signal, which it passed on."""
    reason: str | None = None
    """Why the command was ended, where its watch found a reason."""


def supervise(
    command: Sequence[str],
    environment: Mapping[str, str],
    log: Path | None,
    *,
    grace: float,
    inherited: Sequence[int] = (),
    watch: Watch = lambda _: None,
) -> Ended:
    """Run a command with exactly this environment, and no process of it outlives the call.

    Output goes to the screen and, line by line, to ``log``; without a log it is this process's own. In a terminal the
    command sees a terminal, so that it can show progress bars; the log gets the last state of each line. The command
    inherits the descriptors ``inherited``, and is sent SIGTERM should this process die. A signal to this process is
    passed on; what has not ended ``grace`` seconds later is killed. Another wish (``asked.Wishes``) ends everything at
    once.
    """
    reason = None
    mark = new_mark()
    with _passing_signals_on(mark) as signals:
        output = None if log is None else _Output(log)
        process = subprocess.Popen(
            list(command),
            stdin=subprocess.DEVNULL,
            stdout=None if output is None else output.inlet,
            stderr=None if output is None else output.inlet,
            env={**environment, mark: "1"},
            start_new_session=True,  # a group of its own, which one signal reaches
            pass_fds=inherited,
            preexec_fn=end_with_parent,  # no thread runs here that could hold a lock
        )
        signals.start(process.pid)
        try:
            reason = _wait(process, output, signals, grace, watch)
        finally:
            kill_all(process.pid, mark)  # what the command left behind
            code = process.wait()
            signals.stop()
            if output is not None:
                output.finish()
    if signals.wishes.first:
        return Ended(128 + signals.wishes.first, asked=True)
    return Ended(code if code >= 0 else 128 - code, reason=reason)


def _wait(
    process: subprocess.Popen[bytes], output: _Output | None, signals: _Signals, grace: float, watch: Watch
) -> str | None:
    """Copy output until the command ends, or is to be ended for the reason that is returned.

    Its children may keep the output open for longer; they are not waited for.
    """
    if output is not None:
        output.close_inlet()
    while process.poll() is None:
        if output is None or output.tee.ended:
            time.sleep(_POLL_SECONDS)
        else:
            output.tee.step(_POLL_SECONDS)
        if signals.wishes.since is not None:
            if time.monotonic() - signals.wishes.since > grace:
                signals.kill()
        elif (reason := watch(signals.send)) is not None:
            return reason
    return None


class _Output:
    """The command's output: a pipe, or in a terminal a terminal of its own."""

    def __init__(self, log: Path) -> None:
        terminal = sys.stdout.isatty()
        source, self.inlet = os.openpty() if terminal else os.pipe()
        self._log = log.open("ab", buffering=0)
        self.tee = Tee(source, Screen(), self._log)
        if terminal:
            _copy_size(self.inlet)

    def close_inlet(self) -> None:
        os.close(self.inlet)

    def finish(self) -> None:
        """Copy what the ended processes have left in the pipe."""
        while self.tee.step(_DRAIN_SECONDS):
            pass
        self.tee.close()
        os.close(self.tee.source)
        self._log.close()


class _Signals:
    """Signals to this process, passed on to the command's group: the second wish ends every process at once."""

    def __init__(self, mark: str) -> None:
        self.wishes = Wishes()
        self._mark = mark
        self._leader: int | None = None

    def start(self, leader: int) -> None:
        """From now on there is a group; a signal that came before counts."""
        self._leader = leader
        if self.wishes.first:
            self.send(self.wishes.first)

    def stop(self) -> None:
        """The group has ended: its number may soon be another's."""
        self._leader = None

    def take(self, number: int, _: FrameType | None) -> None:
        """A signal has come."""
        wish = self.wishes.take(number)
        if wish == "first":
            self.send(number)
        elif wish == "another":
            self.kill()

    def send(self, number: int) -> None:
        """Pass a signal on to every process that trains."""
        if self._leader is not None:
            signal_trainers(self._leader, self._mark, number)

    def kill(self) -> None:
        """End every process."""
        if self._leader is not None:
            kill_all(self._leader, self._mark)


@contextmanager
def _passing_signals_on(mark: str) -> Iterator[_Signals]:
    signals = _Signals(mark)
    with signals_go_to(signals.take):
        yield signals


def _copy_size(terminal: int) -> None:
    import fcntl
    import termios

    size = fcntl.ioctl(sys.stdout.fileno(), termios.TIOCGWINSZ, b"\0" * 8)
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, size)
