"""A run's output, to the screen as it comes and to the log as it reads afterwards."""

from __future__ import annotations

import errno
import os
import re
import select
import sys
from io import RawIOBase

_STEERING = re.compile(rb"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\^_])")
"""Escape sequences of terminals (ECMA-48): colours, cursor movement, window titles."""

_BAR = re.compile(rb"(?:[^|]*: *)?\s*\d+%\|[^|]*\| *\S+/\S+ \[[^\]]*\]\s*")
"""The last state of a tqdm bar. What it counted is in the metrics, or of no interest afterwards."""


class Screen:
    """Standard output, for as long as somebody reads it: a run goes on without its viewer (`head`, a closed `less`)."""

    def __init__(self) -> None:
        self.open = True

    def write(self, block: bytes) -> None:
        if not self.open:
            return
        try:
            sys.stdout.buffer.write(block)
            sys.stdout.buffer.flush()
        except OSError:  # a closed pipe, a terminal that hung up
            self.open = False
            # What is still buffered would raise again when the interpreter closes the stream.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class Tee:
    """Copies what a file descriptor yields to the screen, and finished lines to a log, unbuffered."""

    def __init__(self, source: int, screen: Screen, log: RawIOBase) -> None:
        self.source = source
        self.screen = screen
        self.log: RawIOBase | None = log
        self.line = b""
        self.ended = False

    def step(self, seconds: float) -> bool:
        """Wait at most so long for output and copy what is there. Returns whether there was any."""
        if self.ended or not select.select([self.source], [], [], seconds)[0]:
            return False
        try:
            block = os.read(self.source, 65536)
        except OSError as error:
            if error.errno != errno.EIO:  # how a terminal says that its other side is closed
                raise
            block = b""
        self.ended = not block
        self.screen.write(block)
        *finished, line = (self.line + block).split(b"\n")
        states = [last_state(text) for text in finished]
        self._write([state + b"\n" for state in states if not _BAR.fullmatch(state)])
        # A bar draws itself over and over on one line: only its last state is worth keeping.
        self.line = last_state(line) + b"\r" if line.endswith(b"\r") else line.rpartition(b"\r")[2]
        return not self.ended

    def close(self) -> None:
        """Write what stands on a line that was not finished."""
        if last_state(self.line).strip():
            self._write([last_state(self.line) + b"\n"])
        self.line = b""

    def _write(self, lines: list[bytes]) -> None:
        if self.log is None or not lines:
            return
        try:
            self.log.write(b"".join(lines))
        except OSError as error:
            self.log = None
            self.screen.write(f"the log cannot be written any more: {error.strerror}\n".encode())


def last_state(line: bytes) -> bytes:
    """What is left of a line that was overwritten by carriage returns, without what steers the terminal."""
    return _STEERING.sub(b"", line.rstrip(b"\r").rpartition(b"\r")[2])
