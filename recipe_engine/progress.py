"""How far each process of a run has come: a small file each, written over at every beat and read by the launcher."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

FOLDER = "progress"
"""Folder, in the run's folder, with a file for each process, named by its rank."""
STACKS = ".stacks"
"""What is added to that name for where the process stood when it was asked (SIGUSR1)."""

_WIDTH = 64


@dataclass(frozen=True, slots=True)
class Beat:
    """What a process last wrote."""

    count: int
    """Beats so far. It says that something moved; no clock does, for clocks jump and differ between machines."""
    step: int
    """Optimizer steps that are done."""
    phase: str
    """``loading``, ``training``, ``sampling``, ``evaluating``, ``saving`` or, after the last step, ``finishing``."""


class Heart:
    """Writes the beats of this process."""

    def __init__(self, run_dir: Path, rank: int) -> None:
        folder = run_dir / FOLDER
        folder.mkdir(exist_ok=True)
        self.stacks = folder / f"{rank}{STACKS}"
        self._descriptor = os.open(folder / str(rank), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        self._count = 0

    def beat(self, step: int, phase: str) -> None:
        """Something has moved. A full disk, or a folder that is gone, is not what ends a training."""
        self._count += 1
        try:
            os.pwrite(self._descriptor, _record(self._count, step, phase), 0)
        except OSError:
            return


def read_beats(run_dir: Path) -> dict[int, Beat]:
    """The last beat of each process, by rank."""
    found = {}
    for file in (run_dir / FOLDER).glob("*"):
        if not file.name.isdigit():
            continue
        try:
            count, step, phase = file.read_text(encoding="ascii").split()
            found[int(file.name)] = Beat(int(count), int(step), phase)
        except (OSError, ValueError):  # it is being made
            continue
    return found


def _record(count: int, step: int, phase: str) -> bytes:
    return f"{count} {step} {phase}".ljust(_WIDTH - 1).encode() + b"\n"
