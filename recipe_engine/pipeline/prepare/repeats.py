"""Steps that drop what was there before: in the rows themselves, or in those of an evaluation."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from recipe_engine.data.cells import Row
from recipe_engine.pipeline.prepare.content import digest
from recipe_engine.pipeline.prepare.step import Apply, DroppedRow, StepContext
from recipe_engine.recipe.stages.steps import DedupStep, LeakageStep

_CACHE_KIB = 1 << 16


class Seen:
    """A set of hashes on the disk: memory stays small however many there are."""

    def __init__(self, file: Path) -> None:
        # Thrown away with the stage's scratch folder, so neither a journal nor the disk's own pace is needed.
        self._database = sqlite3.connect(file, isolation_level=None)
        for pragma in ("journal_mode = OFF", "synchronous = OFF", f"cache_size = -{_CACHE_KIB}"):
            self._database.execute(f"PRAGMA {pragma}")
        self._database.execute("CREATE TABLE seen (hash BLOB PRIMARY KEY) WITHOUT ROWID")
        self._database.execute("BEGIN")

    def add(self, value: bytes) -> bool:
        """Add a hash. Returns whether it was new."""
        return self._database.execute("INSERT OR IGNORE INTO seen VALUES (?)", (value,)).rowcount == 1

    def __contains__(self, value: bytes) -> bool:
        return self._database.execute("SELECT 1 FROM seen WHERE hash = ?", (value,)).fetchone() is not None


def dedup(settings: DedupStep, context: StepContext) -> Apply:
    """Drop rows whose content an earlier row has."""
    seen = Seen(_file(context))

    def apply(row: Row, number: int) -> list[Row]:
        if not seen.add(digest(row, settings.columns, loosely=settings.ignore_case_and_space)):
            raise DroppedRow("repeated")
        return [row]

    return apply


def no_leakage(settings: LeakageStep, context: StepContext) -> Apply:
    """Drop rows whose content other rows have.

    Raises:
        DataError: the others cannot be read.
    """
    held_out = Seen(_file(context))
    for name in settings.against:
        for row in context.read(name, settings.split):
            held_out.add(digest(row, settings.columns, loosely=settings.ignore_case_and_space))

    def apply(row: Row, number: int) -> list[Row]:
        if digest(row, settings.columns, loosely=settings.ignore_case_and_space) in held_out:
            raise DroppedRow("in the rows of an evaluation")
        return [row]

    return apply


def _file(context: StepContext) -> Path:
    context.scratch.mkdir(parents=True, exist_ok=True)
    return context.scratch / f"seen-{len(list(context.scratch.glob('seen-*')))}.sqlite"
