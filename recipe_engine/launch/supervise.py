"""Running a command to its end: its output to the screen and to a log, signals passed on to all of its processes."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

EXIT_INTERRUPTED = 130
EXIT_TERMINATED = 143


def supervise(command: Sequence[str], environment: Mapping[str, str], log: Path | None) -> int:
    """Run a command as a process group of its own. Returns its exit code, 130 or 143 where a signal ended it.

    With a ``log`` the output is also written there, line by line; without one, it only passes through. In a terminal
    the command sees a terminal, so that it can show progress bars; the log gets the last state of each line.
    """
    terminal = log is not None and sys.stdout.isatty()
    ours, theirs = os.openpty() if terminal else os.pipe()
    if terminal:
        _copy_size(theirs)
    process = subprocess.Popen(
        list(command),
        stdin=subprocess.DEVNULL,
        stdout=theirs if log is not None else None,
        stderr=theirs if log is not None else None,
        env={**os.environ, **environment},
        start_new_session=True,  # a group of its own: one signal reaches every worker, and none is orphaned
    )
    os.close(theirs)
    with _passing_signals_to(process) as received:
        if log is not None:
            with log.open("ab") as stream:
                _copy(ours, stream)
        os.close(ours)
        code = process.wait()
    _end_group(process.pid)  # workers that outlived their launcher
    if signal.SIGINT in received:
        return EXIT_INTERRUPTED
    if signal.SIGTERM in received:
        return EXIT_TERMINATED
    return code if code >= 0 else 128 - code


def _copy(source: int, log: IO[bytes]) -> None:
    """Copy until the other side closes: everything to the screen, finished lines to the log."""
    line = b""
    while True:
        try:
            block = os.read(source, 65536)
        except OSError as error:
            if error.errno == errno.EIO:  # how a terminal says that its other side is closed
                break
            raise
        if not block:
            break
        sys.stdout.buffer.write(block)
        sys.stdout.buffer.flush()
        *finished, line = (line + block).split(b"\n")
        for text in finished:
            log.write(_last_state(text) + b"\n")
        log.flush()
    if line.strip():
        log.write(_last_state(line) + b"\n")


def _last_state(line: bytes) -> bytes:
    """What is left of a line that was overwritten by carriage returns."""
    return line.rstrip(b"\r").rsplit(b"\r", 1)[-1]


@contextmanager
def _passing_signals_to(process: subprocess.Popen[bytes]) -> Iterator[list[int]]:
    """Pass SIGINT and SIGTERM on to the whole group; the second one ends it at once."""
    received: list[int] = []

    def pass_on(number: int, _: object) -> None:
        received.append(number)
        _signal_group(process.pid, number if len(received) == 1 else signal.SIGKILL)

    before = {number: signal.signal(number, pass_on) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _end_group(leader: int) -> None:
    _signal_group(leader, signal.SIGKILL)


def _signal_group(leader: int, number: int) -> None:
    try:
        os.killpg(leader, number)
    except ProcessLookupError:
        return  # every process of the group has ended


def _copy_size(terminal: int) -> None:
    import fcntl
    import termios

    size = fcntl.ioctl(sys.stdout.fileno(), termios.TIOCGWINSZ, b"\0" * 8)
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, size)
