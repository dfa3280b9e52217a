"""Checkpoints on disk: one counts only once it is whole, which a marker beside its files says."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

MARKER = "whole.json"
"""File that is written last: the size of every other file of the checkpoint."""
STAGING = ".saving"
"""Folder, in the output folder, where a checkpoint is written before it is renamed into place."""

RECORDS = ("compiled.json", "inputs.json")
"""Files of the run's folder that each checkpoint has a copy of: what it was trained by, and on what."""

_NAME = re.compile(r"checkpoint-(\d+)")


def step_of(checkpoint: Path) -> int:
    """The optimizer step after which a checkpoint was saved; -1 for a folder of another name."""
    found = _NAME.fullmatch(checkpoint.name)
    return int(found[1]) if found else -1


def seal(checkpoint: Path) -> None:
    """Bring the files of a finished checkpoint to the disk, then its marker."""
    files = sorted(path for path in checkpoint.rglob("*") if path.is_file())
    for path in files:
        _sync(path)
    sizes = {str(path.relative_to(checkpoint)): path.stat().st_size for path in files}
    marker = checkpoint / MARKER
    marker.write_text(json.dumps(sizes, indent=1), encoding="utf-8")
    _sync(marker)
    _sync(checkpoint)


def rename_into_place(checkpoint: Path, place: Path) -> None:
    """Move a sealed checkpoint to its place, which may not hold another."""
    os.rename(checkpoint, place)
    _sync(place.parent)


def is_whole(checkpoint: Path) -> bool:
    """Whether the marker is there, and every file that it names, with its size."""
    return damage_of(checkpoint) is None


def damage_of(checkpoint: Path) -> str | None:
    """What is wrong with a checkpoint's files, as a sentence goes on after its name; none where it is whole."""
    try:
        sizes: dict[str, int] = json.loads((checkpoint / MARKER).read_text(encoding="utf-8"))
        written = list(sizes.items())
    except FileNotFoundError:
        return f"it has no {MARKER}, which is written last"
    except (OSError, ValueError, AttributeError):
        return f"its {MARKER} cannot be read"
    for name, size in written:
        try:
            found = (checkpoint / name).stat().st_size
        except OSError as error:
            why = "is missing" if isinstance(error, FileNotFoundError) else f"cannot be read ({error.strerror})"
            return f"{name} {why}, {size} bytes were written"
        if found != size:
            return f"{name} has {found} bytes, {size} were written"
    return None


def left_out(output: Path, taken: Path | None) -> list[str]:
    """Of each checkpoint that is later than the one ``taken``, in a sentence, why it is not the one to go on from."""
    after = -1 if taken is None else step_of(taken)
    later = sorted((path for path in output.glob("checkpoint-*") if step_of(path) > after), key=step_of)
    why = ((path, damage_of(path) or ("" if can_be_resumed(path) else "it holds the model alone")) for path in later)
    return [f"{path.name} is left out: {reason}" for path, reason in why if reason]


def whole_checkpoints(output: Path) -> list[Path]:
    """The whole checkpoints of an output folder, in the order of their steps."""
    found = [path for path in output.glob("checkpoint-*") if step_of(path) >= 0 and is_whole(path)]
    return sorted(found, key=step_of)


def newest_whole(output: Path) -> Path | None:
    """The whole checkpoint of the latest step; none where there is none."""
    return next(reversed(whole_checkpoints(output)), None)


def can_be_resumed(checkpoint: Path) -> bool:
    """Whether it holds more than the model: an optimizer as transformers, accelerate or DeepSpeed saves it."""
    return any(any(checkpoint.glob(name)) for name in ("optimizer*", "global_step*"))


def bring_to_disk(path: Path) -> None:
    """Have the system write what it may still hold back of a file, where that exists."""
    if path.exists():
        _sync(path)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
