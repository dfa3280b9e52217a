"""A full disk: told as such, with what could be freed, whichever library ran into it."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator
from pathlib import Path

from recipe_engine.runtime.errors import RunError

_FULL = {errno.ENOSPC, errno.EDQUOT}
_LITTLE = 1 << 20


def full_disk(error: BaseException, output: Path, needed: int = 0) -> RunError | None:
    """The error to show where ``error`` comes of a full disk; none where it does not.

    safetensors and torch raise errors of their own for it, which say so in words, or not at all: then the space that
    is free on the disk of ``output`` tells, in bytes, against what was ``needed``.
    """
    place: str | Path
    for one in _chain(error):
        if isinstance(one, OSError) and one.errno in _FULL:
            place = one.filename or output
            break
        if "No space left on device" in str(one) or "Disk quota exceeded" in str(one):
            place = output
            break
    else:
        if not _of_a_writer(error) or shutil.disk_usage(output).free >= _LITTLE + needed:
            return None
        place = output
    return RunError(f"the disk is full: {place} could not be written", hint=_advice(output))


def _of_a_writer(error: BaseException) -> bool:
    """Whether torch's writer of files raised this: it checks where the file ends, and does not ask why."""
    words = ("PytorchStreamWriter", "unexpected pos")
    return any(isinstance(one, RuntimeError) and any(word in str(one) for word in words) for one in _chain(error))


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _advice(output: Path) -> str:
    kept = [path for path in output.glob("checkpoint-*") if path.is_dir()]
    size = sum(file.stat().st_size for path in kept for file in path.rglob("*") if file.is_file())
    older = f" ({output} holds {len(kept)} checkpoints, {size / 1e6:.0f} MB; the newest is needed)" if kept[1:] else ""
    return f"free some space{older}, and start again: it goes on from its newest checkpoint"
