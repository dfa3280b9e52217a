"""Every process that belongs to a run, however deep, and whichever session it has put itself into."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import uuid
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from recipe_engine.launch import lock

_SET_PARENT_DEATH_SIGNAL = 1
"""PR_SET_PDEATHSIG of linux/prctl.h."""


def new_mark() -> str:
    """The name of an environment variable that no other run has.

    What a worker starts may have a session of its own, which a signal to the process group does not reach; the
    environment does.
    """
    return f"RECIPE_ENGINE_GROUP_{uuid.uuid4().hex}"


def signal_group(leader: int, number: int) -> None:
    """Send a signal to the process group of ``leader``."""
    try:
        os.killpg(leader, number)
    except ProcessLookupError:
        return  # every process of the group has ended


def signal_trainers(leader: int, mark: str, number: int) -> None:
    """Send a signal to the processes that train: each can save before it ends.

    They are the leader itself, or the ranks below it. Their own children, such as those that load data, are left alone,
    for saving may need them.
    """
    ranks = dict(_ranks(mark))
    trainers = [pid for pid, parent in ranks.items() if parent not in ranks]
    for pid in trainers or [leader]:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue  # it has just ended


def _ranks(mark: str) -> Iterator[tuple[int, int]]:
    """The marked processes that a launcher has given a rank, each with its parent."""
    for pid in marked(mark):
        try:
            environment = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
            status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
        except OSError:
            continue  # it has just ended
        if any(entry.startswith(b"LOCAL_RANK=") for entry in environment):
            yield pid, int(status.partition("PPid:")[2].split()[0])


def processes_of(launcher: int | None, output: Path) -> list[int]:
    """The process to signal for a run to stop: its launcher; where that was killed, all that it left.

    A number alone is no proof, for the system gives numbers again, and another machine has its own: the process must
    be one of this engine's, and hold this run's lock.
    """
    if not Path("/proc/self").exists():  # no Linux
        return [launcher] if launcher else []
    found = [pid for pid in _engine_processes() if _has_open(pid, output / "run" / lock.NAME)]
    return [launcher] if launcher in found else found


def _has_open(pid: int, file: Path) -> bool:
    try:
        descriptors = list(Path(f"/proc/{pid}/fd").iterdir())
    except OSError:
        return False  # it has ended, or is another user's
    for descriptor in descriptors:
        with suppress(OSError):  # closed in this moment
            if os.path.samefile(descriptor, file):
                return True
    return False


def _engine_processes() -> Iterator[int]:
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            arguments = (folder / "cmdline").read_text(encoding="utf-8", errors="replace").split("\0")
        except OSError:
            continue
        if any("recipe" in part for part in arguments[:4]):
            yield int(folder.name)


def end_with_parent() -> None:
    """Have the system send SIGTERM to this process when the one that started it dies, by SIGKILL for example.

    Without Linux nothing is done.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_SET_PARENT_DEATH_SIGNAL, signal.SIGTERM)


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
