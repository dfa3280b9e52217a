"""Every process that belongs to a run, however deep, and whichever session it has put itself into."""

from __future__ import annotations

import os
import signal
import uuid
from collections.abc import Iterator
from pathlib import Path


def new_mark() -> str:
    """The name of an environment variable that no other run has.

    accelerate's launcher gives each worker a session of its own, so that a signal to the launcher's process group does
    not reach them; the environment does.
    """
    return f"RECIPE_ENGINE_GROUP_{uuid.uuid4().hex}"


def signal_group(leader: int, number: int) -> None:
    """Send a signal to the process group of ``leader``."""
    try:
        os.killpg(leader, number)
    except ProcessLookupError:
        return  # every process of the group has ended


def kill_all(leader: int, mark: str) -> None:
    """End the process group of ``leader``, and every process that carries ``mark``, at once.

    Without a /proc the second half is left out.
    """
    signal_group(leader, signal.SIGKILL)
    for pid in marked(mark):
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue  # it has just ended


def marked(mark: str) -> Iterator[int]:
    """The processes that have ``mark`` in the environment they were started with, and those that they have forked."""
    prefix = f"{mark}=".encode()
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            environment = (folder / "environ").read_bytes()
        except OSError:
            continue  # it has ended, or is another user's
        if any(entry.startswith(prefix) for entry in environment.split(b"\0")):
            yield int(folder.name)
