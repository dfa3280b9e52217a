"""The processes of stages: several at once, their output to the screen and to a log each, signals passed on to all."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import RawIOBase
from pathlib import Path
from types import FrameType

from recipe_engine.launch.asked import Wishes, signals_go_to
from recipe_engine.launch.group import end_with_parent, kill_all, new_mark
from recipe_engine.launch.tee import Screen, Tee

GRACE_SECONDS = 660.0
"""How long stages may take after a signal to save, before they are killed: a training has ten minutes of its own."""

_POLL_SECONDS = 0.1
_DRAIN_SECONDS = 0.2


class _Named(Screen):
    """The screen, each line after the name of its stage: several stages write at once."""

    def __init__(self, screen: Screen, name: str) -> None:
        super().__init__()
        self._screen, self._name, self._line = screen, name.encode(), b""

    def write(self, block: bytes) -> None:
        *lines, self._line = (self._line + block).split(b"\n")
        self._screen.write(b"".join(b"[" + self._name + b"] " + line + b"\n" for line in lines))


@dataclass
class Child:
    """The process of a stage."""

    key: str
    process: subprocess.Popen[bytes]
    mark: str
    tee: Tee
    log: RawIOBase
    devices: list[str]
    """GPUs that it uses."""
    started: float = field(default_factory=time.time)

    def finish(self) -> int:
        """Copy what the ended process has left in the pipe, end what it has left behind, and return its exit code."""
        kill_all(self.process.pid, self.mark)
        code = self.process.wait()
        while self.tee.step(_DRAIN_SECONDS):
            pass
        self.tee.close()
        os.close(self.tee.source)
        self.log.close()
        return code if code >= 0 else 128 - code


class Processes:
    """Every process of a pipeline that is going on."""

    def __init__(self, screen: Screen) -> None:
        self.children: list[Child] = []
        self._wishes = Wishes()
        self._screen = screen

    @property
    def received(self) -> int:
        """The first signal that came to this process; 0 where none has."""
        return self._wishes.first

    def start(
        self,
        key: str,
        command: Sequence[str],
        environment: Mapping[str, str],
        log: Path,
        *,
        devices: Sequence[str] = (),
        inherited: Sequence[int] = (),
        named: bool = False,
    ) -> Child:
        """Start a stage's process. It is sent SIGTERM should this process die, and keeps ``inherited`` open."""
        source, inlet = os.pipe()
        mark = new_mark()
        stream = log.open("ab", buffering=0)
        process = subprocess.Popen(
            list(command),
            stdin=subprocess.DEVNULL,
            stdout=inlet,
            stderr=inlet,
            env={**environment, mark: "1"},
            start_new_session=True,  # Ctrl-C in a terminal reaches it by way of this process alone
            pass_fds=inherited,
            preexec_fn=end_with_parent,  # no thread runs here that could hold a lock
        )
        os.close(inlet)
        screen = _Named(self._screen, key) if named else self._screen
        child = Child(key, process, mark, Tee(source, screen, stream), stream, list(devices))
        self.children.append(child)
        if self.received:
            self._stop(child)
        return child

    def step(self) -> list[tuple[Child, int]]:
        """Copy output for a moment. Returns the stages that have ended, with their exit codes."""
        with selectors.DefaultSelector() as selector:
            for child in self.children:
                if not child.tee.ended:
                    selector.register(child.tee.source, selectors.EVENT_READ, child)
            if selector.get_map():
                for key, _ in selector.select(_POLL_SECONDS):
                    key.data.tee.step(0)
            else:
                time.sleep(_POLL_SECONDS)
        if self._wishes.since is not None and time.monotonic() - self._wishes.since > GRACE_SECONDS:
            self.kill()
        ended = [child for child in self.children if child.process.poll() is not None]
        self.children = [child for child in self.children if child not in ended]
        return [(child, child.finish()) for child in ended]

    def kill(self) -> None:
        """End every process at once."""
        for child in self.children:
            kill_all(child.process.pid, child.mark)

    def take(self, number: int, _: FrameType | None) -> None:
        """A signal has come: it is passed on; another wish ends every process."""
        wish = self._wishes.take(number)
        if wish == "first":
            for child in self.children:
                self._stop(child)
        elif wish == "another":
            self.kill()

    def _stop(self, child: Child) -> None:
        try:
            os.kill(child.process.pid, signal.SIGTERM)  # whatever came: stages save, and end
        except ProcessLookupError:
            return  # it has just ended

    @contextmanager
    def passing_signals_on(self) -> Iterator[None]:
        """Pass signals to this process on to the stages while the block runs, and leave no process behind. Where one
        came, this process ends after the block."""
        with signals_go_to(self.take, ends=lambda: bool(self.received)):
            try:
                yield
            finally:
                self.kill()
