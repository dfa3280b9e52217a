"""Signals that ask this process to end."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Literal

ONE_WISH_SECONDS = 1.0
"""Signals within this time are one wish: Slurm sends SIGTERM twice to a job that is preempted, and others besides to
every process of it."""
SECOND_WISH_SECONDS = 2.0
"""How long whoever means two waits between them: on their way they may come closer to each other."""

_ASKING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)


class Wishes:
    """Signals as whoever sends them means them: those that come at once are one wish, a later one is another."""

    def __init__(self) -> None:
        self.first = 0
        """The first signal that came."""
        self.since: float | None = None
        """When it came, on the monotonic clock."""

    def take(self, number: int) -> Literal["first", "same", "another"]:
        """Count a signal. Returns which wish it belongs to."""
        now = time.monotonic()
        if self.since is None:
            self.first, self.since = number, now
            return "first"
        return "another" if now - self.since > ONE_WISH_SECONDS else "same"


class AskedToEnd(Exception):
    """A signal came while nothing ran that it could be passed on to."""

    def __init__(self, number: int) -> None:
        super().__init__(f"signal {number}")
        self.number = number


class Asked:
    """Whether a signal has come; within ``raises`` it ends a wait at once."""

    def __init__(self) -> None:
        self.number = 0
        self.ends = False
        """Whether this process is about to end; whoever finds that out says so here."""
        self._raises = False

    def take(self, number: int, _: FrameType | None) -> None:
        """A signal has come."""
        self.number = self.number or number
        if self._raises:
            self._raises = False
            raise AskedToEnd(self.number)

    @contextmanager
    def raises(self) -> Iterator[None]:
        """Raises ``AskedToEnd`` as soon as a signal comes, or has come before."""
        self._raises = True
        try:
            if self.number:
                raise AskedToEnd(self.number)
            yield
        finally:
            self._raises = False


@contextmanager
def noted() -> Iterator[Asked]:
    """Take note of signals, which do nothing else meanwhile, and nothing afterwards where this process ends."""
    asked = Asked()
    with signals_go_to(asked.take, ends=lambda: asked.ends):
        yield asked


@contextmanager
def signals_go_to(
    take: Callable[[int, FrameType | None], None], *, ends: Callable[[], bool] = lambda: False
) -> Iterator[None]:
    """Have ``take`` called for signals that ask for the end; whoever had them before has them again afterwards.

    Where ``ends`` then says that this process is about to end as it was asked to, they are ignored: the rest of one
    wish may still be on its way, and must not keep it from recording how it ended.

    One that is ignored stays ignored, also by commands that are started: nohup does so with SIGHUP. Not SIGINT, which a
    shell without job control has its background jobs ignore.
    """
    taken = [number for number in _ASKING if number == signal.SIGINT or signal.getsignal(number) != signal.SIG_IGN]
    before = {number: signal.signal(number, take) for number in taken}
    try:
        yield
    finally:
        over = ends()
        for number, handler in before.items():
            signal.signal(number, signal.SIG_IGN if over else handler)
