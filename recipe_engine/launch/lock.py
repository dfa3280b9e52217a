"""One run at a time in an output folder."""

from __future__ import annotations

import errno
import fcntl
import os
from dataclasses import dataclass
from pathlib import Path

from recipe_engine.compiled import CompiledRun
from recipe_engine.launch.errors import LaunchError

NAME = "lock"

_NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP}
"""What file systems answer that have no locks, such as some network ones."""


@dataclass(frozen=True, slots=True)
class Lock:
    """A held lock. It is held for as long as a process has its descriptor open, and gone however that process ends."""

    descriptor: int

    def name_holder(self, pid: int) -> None:
        """Write down who holds it, for those who meet it."""
        os.ftruncate(self.descriptor, 0)
        os.pwrite(self.descriptor, f"{pid}\n".encode(), 0)

    def release(self) -> None:
        """Let go of it, unless another process has inherited it."""
        os.close(self.descriptor)


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
        _take(descriptor, _name(run))
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
        _take(descriptor, name)
    except LaunchError:
        os.close(descriptor)
        raise
    return Lock(descriptor)


def holder(run_dir: Path) -> int | None:
    """The process that holds the lock of a run's folder; none where nothing does, whatever number stands there.

    0 is one whose number is not known.
    """
    try:
        descriptor = os.open(run_dir / NAME, os.O_RDWR)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        written = os.pread(descriptor, 32, 0).strip()
        return int(written) if written.isdigit() else 0
    except OSError:
        return None
    finally:
        os.close(descriptor)
    return None


def _take(descriptor: int, name: str) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        holder = os.pread(descriptor, 32, 0).decode(errors="replace").strip() or "unknown"
        message = f"{name} is in use by a run that is going on (process {holder})"
        raise LaunchError("T502", message, "choose another output_dir or run_name, or wait") from error
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise


def _name(run: CompiledRun) -> str:
    return f"training.output_dir: {run.output_dir}"


def _path(run: CompiledRun) -> Path:
    return Path(run.run_dir, NAME)
