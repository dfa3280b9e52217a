"""Helper processes that answer lines of JSON, each within a time limit."""

from __future__ import annotations

import json
import os
import queue
import selectors
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

from recipe_engine.runtime.errors import RunError
from recipe_engine.runtime.spared import spared

_START_SECONDS = 120.0
"""For the first answer of a process, which imports its libraries before it."""


class Workers:
    """Processes that run one script. A process that is late is killed, and another takes its place.

    They belong to the process that uses them: a fork starts its own.
    """

    def __init__(self, script: Path, count: int, seconds: float) -> None:
        self.script = script
        self.count = count
        self.seconds = seconds
        self._owner = 0
        self._idle: queue.SimpleQueue[_Worker] = queue.SimpleQueue()

    def ask(self, requests: Sequence[Sequence[Any]]) -> list[Any]:
        """The answers, in order; none for a request that took too long or ended its process.

        Raises:
            RunError: the processes do not start.
        """
        if self._owner != os.getpid():
            self._owner, self._idle = os.getpid(), queue.SimpleQueue()
            for _ in range(self.count):
                self._idle.put(_Worker(self.script))
        if len(requests) == 1:
            return [self._one(requests[0])]
        with ThreadPoolExecutor(self.count) as threads:
            return list(threads.map(self._one, requests))

    def _one(self, request: Sequence[Any]) -> Any:
        worker = self._idle.get()
        try:
            return worker.answer(request, self.seconds)
        finally:
            self._idle.put(worker)


class _Worker:
    """One process, started when it is first asked."""

    def __init__(self, script: Path) -> None:
        self.script = script
        self.process: subprocess.Popen[bytes] | None = None

    def answer(self, request: Sequence[Any], seconds: float) -> Any:
        if self.process is None or self.process.poll() is not None:
            self._start()
        return self._exchange([0, *request], seconds)

    def _start(self) -> None:
        # -P: files beside the script have the names of modules of Python's, such as code.py.
        command = [sys.executable, "-P", str(self.script)]
        pipe, nothing = subprocess.PIPE, subprocess.DEVNULL
        with spared():
            self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=nothing)
        if self._exchange([0, "1", None], _START_SECONDS) is not True:
            raise RunError(f"the helper process {self.script.name} does not start")

    def _exchange(self, message: list[Any], seconds: float) -> Any:
        """Send a line and wait for one. None, and the process killed, where it ends or is late."""
        process = self.process
        assert process is not None
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(json.dumps(message).encode() + b"\n")
            process.stdin.flush()
            line = _line(process.stdout, time.monotonic() + seconds)
        except BrokenPipeError:
            line = None
        if line is None:
            process.kill()
            process.wait()
            with suppress(OSError):  # what could not be sent is flushed once more
                process.stdin.close()
            process.stdout.close()
            self.process = None
            return None
        return json.loads(line)[1]


def _line(pipe: Any, deadline: float) -> bytes | None:
    """A line of a pipe; none where the pipe ends or the deadline passes first."""
    received = b""
    with selectors.DefaultSelector() as selector:
        selector.register(pipe, selectors.EVENT_READ)
        while not received.endswith(b"\n"):
            left = deadline - time.monotonic()
            if left <= 0 or not selector.select(left):
                return None
            chunk = os.read(pipe.fileno(), 65536)
            if not chunk:
                return None
            received += chunk
    return received
