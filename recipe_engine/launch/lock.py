"""One run at a time in an output folder."""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import time
from dataclasses import dataclass
from pathlib import Path

from recipe_engine.compiled import CompiledRun
from recipe_engine.launch.errors import LaunchError

NAME = "lock"

_NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP}
"""What file systems answer that have no locks, such as some network ones."""
_PATIENCE_SECONDS = 0.5
"""For so long a lock is asked for again: whoever only looks holds it for a moment, and a holder needs one to write its
name."""


@dataclass(frozen=True, slots=True)
class Lock:
    """A held lock. It is held for as long as a process has its descriptor open, and gone however that process ends."""

    descriptor: int
    exclusive: bool = True
    """Whether it keeps others out: some file systems, of a network for the most part, have no locks."""

    def name_holder(self, pid: int) -> None:
        """Write down who holds it, and on which machine, for those who meet it."""
        os.ftruncate(self.descriptor, 0)
        os.pwrite(self.descriptor, f"{pid} {socket.gethostname()}\n".encode(), 0)

    def release(self) -> None:
        """Let go of it, unless another process has inherited it."""
        os.close(self.descriptor)


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds a lock."""

    pid: int
    """Number of the process; 0 where it is not known."""
    host: str
    """Name of its machine."""

    @property
    def is_here(self) -> bool:
        """Whether it is a process of this machine."""
        return self.host in {"", socket.gethostname()}

    def __str__(self) -> str:
        return f"process {self.pid or 'unknown'}" + (f" on {self.host}" if self.host else "")


def demand_unlocked(run: CompiledRun) -> None:
    """Check that no run is going on in the output folder.

    Raises:
        LaunchError: one is.
    """
    try:
        descriptor = os.open(_path(run), os.O_RDWR)
    except FileNotFoundError:
        return
    try:
        _take(descriptor, _name(run), fcntl.LOCK_SH)  # others may look as well
    finally:
        os.close(descriptor)


def lock(run: CompiledRun) -> Lock:
    """Take the lock of the run's folder, which exists.

    Raises:
        LaunchError: another run has it.
    """
    return lock_folder(Path(run.run_dir), _name(run))


def lock_folder(folder: Path, name: str) -> Lock:
    """Take the lock of a folder, which exists. ``name`` is what a message calls it.

    Raises:
        LaunchError: another process has it.
    """
    descriptor = os.open(folder / NAME, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        return Lock(descriptor, exclusive=_take(descriptor, name, fcntl.LOCK_EX))
    except LaunchError:
        os.close(descriptor)
        raise


def holder(run_dir: Path) -> Holder | None:
    """Who holds the lock of a run's folder; none where nobody does, whatever is written there."""
    try:
        descriptor = os.open(run_dir / NAME, os.O_RDWR)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)  # a start at this moment must not be refused for it
    except BlockingIOError:
        return _written(descriptor)
    except OSError:
        return None
    finally:
        os.close(descriptor)
    return None


def _take(descriptor: int, name: str, how: int) -> bool:
    """Take the lock. Returns whether the file system has locks at all."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            fcntl.flock(descriptor, how | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if time.monotonic() < deadline:
                time.sleep(0.02)
                continue
            who = _written(descriptor)
            message = f"{name} is in use by a run that is going on ({who})"
            raise LaunchError("T502", message, "choose another output_dir or run_name, or wait") from error
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise
            return False
        return True


def _written(descriptor: int) -> Holder:
    pid, _, host = os.pread(descriptor, 512, 0).decode(errors="replace").strip().partition(" ")
    return Holder(int(pid) if pid.isdecimal() else 0, host)


def _name(run: CompiledRun) -> str:
    return f"training.output_dir: {run.output_dir}"


def _path(run: CompiledRun) -> Path:
    return Path(run.run_dir, NAME)
