"""What the other processes of a run say, in the output of the first.

All of them meet the same warnings and the same errors: a line is shown once, with the process that came first. When one
has failed, the rest fail for the want of it: what they say then is left out, and counted.
"""

from __future__ import annotations

import os
import re
import select
import time
from collections import deque

from recipe_engine.launch.tee import Screen, last_state

_KEPT_LINES = 200
_MOST_SHOWN = 100_000
"""Lines that are remembered as shown; from then on each is shown."""
_DRAIN_SECONDS = 0.5
_ERROR = re.compile(rb"^error: (.+)", re.MULTILINE)
"""How a worker says why it cannot go on."""


class RankOutput:
    """Pipes from all processes but the first, and what came through them."""

    def __init__(self) -> None:
        self._ranks: dict[int, int] = {}
        """The rank at the other end of each pipe that is open."""
        self._lines: dict[int, bytes] = {}
        self._tails: dict[int, deque[bytes]] = {}
        self._shown: set[bytes] = set()
        self._only: int | None = None
        self._left_out = 0
        self._screen = Screen()

    def inlet(self, rank: int) -> int:
        """A descriptor for the output of a process; the caller closes it."""
        outlet, inlet = os.pipe()
        self._ranks[outlet], self._lines[rank], self._tails[rank] = rank, b"", deque(maxlen=_KEPT_LINES)
        return inlet

    def copy(self, seconds: float) -> bool:
        """Wait at most so long for output and show what is there. Returns whether there was any."""
        if not self._ranks:
            time.sleep(seconds)
            return False
        readable = select.select(list(self._ranks), [], [], seconds)[0]
        for outlet in readable:
            rank = self._ranks[outlet]
            block = os.read(outlet, 65536)
            *finished, self._lines[rank] = (self._lines[rank] + block).split(b"\n")
            if not block:
                os.close(outlet)
                del self._ranks[outlet]
                finished = [self._lines.pop(rank)]
            for line in finished:
                self._show(rank, last_state(line))
        return bool(readable)

    def only(self, rank: int) -> None:
        """From now on show what this process says, which has failed, and count the lines of the others."""
        self._only = rank

    def error_of(self, rank: int) -> str:
        """The last error that a process named; empty for the first one, whose output is not seen here."""
        found = _ERROR.findall(b"\n".join(self._tails.get(rank, ())))
        return found[-1].decode(errors="replace") if found else ""

    def drain(self) -> None:
        """Show what the ended processes have left in the pipes; children of theirs may keep them open."""
        while self._ranks and self.copy(_DRAIN_SECONDS):
            pass

    def say(self, line: str) -> None:
        """Show a line of the launcher's own, below how many lines of the other processes are missing."""
        if self._left_out:
            self._screen.write(f"({self._left_out} lines of the other processes after that are left out)\n".encode())
        self._screen.write(f"{line}\n".encode(errors="backslashreplace"))

    def _show(self, rank: int, line: bytes) -> None:
        if not line.strip():
            return
        self._tails[rank].append(line)
        if self._only not in {None, rank}:
            self._left_out += 1
        elif line not in self._shown:
            if len(self._shown) < _MOST_SHOWN:
                self._shown.add(line)
            self._screen.write(b"[process %d] %s\n" % (rank, line))
