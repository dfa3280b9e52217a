"""The prepare stage: rows read one by one, put through the steps, counted, and written in splits."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path

from recipe_engine.compiled_stage import ROWS, CompiledStage, StageResult
from recipe_engine.data.cells import Row
from recipe_engine.data.errors import DataError, RowError
from recipe_engine.data.slices import sliced
from recipe_engine.data.sources import raw_rows
from recipe_engine.pipeline.prepare import MAKERS
from recipe_engine.pipeline.prepare.content import digest
from recipe_engine.pipeline.prepare.output import SCRATCH, Splits
from recipe_engine.pipeline.prepare.step import DroppedRow, EnoughRows, StepContext
from recipe_engine.recipe.data import DatasetEntry
from recipe_engine.recipe.stages.prepare import PrepareStage, Source


@dataclass
class Counts:
    """What became of the rows."""

    read: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    invalid: int = 0
    first_invalid: str | None = None


def run(compiled: CompiledStage, say: Callable[[str], None]) -> StageResult:
    """Prepare the rows of a stage.

    Raises:
        DataError: rows cannot be read, or more of them are invalid than the stage allows.
    """
    stage = compiled.stage
    assert isinstance(stage, PrepareStage)
    folder, scratch = Path(compiled.folder, ROWS), Path(compiled.folder, SCRATCH)
    for leftover in (folder, scratch):  # of a start that did not come to its end
        shutil.rmtree(leftover, ignore_errors=True)
    scratch.mkdir(parents=True)
    parquet = stage.output == "parquet"
    try:
        with Splits(folder, scratch, stage.splits, compiled.seed, shuffle=stage.shuffle, parquet=parquet) as splits:
            counts = _prepare(compiled, stage, scratch, splits)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    _demand_few_invalid(stage, counts)
    if counts.first_invalid is not None:
        say(f"{counts.invalid} of {counts.read} rows cannot be read; the first: {counts.first_invalid}")
    return StageResult(
        rows_in=counts.read,
        rows_out=sum(splits.rows.values()),
        splits=splits.rows,
        dropped=dict(counts.dropped.most_common()),
    )


def _prepare(compiled: CompiledStage, stage: PrepareStage, scratch: Path, splits: Splits) -> Counts:
    def read(name: str, split: str) -> Iterator[Row]:
        return raw_rows(DatasetEntry(name=name, split=split), scratch)

    context = StepContext(compiled.seed, compiled.thinking, scratch, read)
    steps = [MAKERS[step.do](step, context) for step in stage.steps]
    counts = Counts()
    for place, row in _rows(compiled, stage, scratch):
        made = [row]
        try:
            for step in steps:
                made = [other for one in made for other in step(one, counts.read)]
        except DroppedRow as reason:
            counts.dropped[str(reason)] += 1
        except RowError as error:
            _note_invalid(stage, counts, f"{place}: {error.message}", error)
        except EnoughRows:
            break
        else:
            for one in made:
                splits.write(one, partial(digest, one, salt=str(compiled.seed)))
        counts.read += 1
    return counts


def _rows(compiled: CompiledStage, stage: PrepareStage, scratch: Path) -> Iterator[tuple[str, Row]]:
    """The rows of all datasets, or the stage's slice of them, each with the name of its place."""
    sources = [*stage.datasets, *([Source(name=stage.rows)] if stage.rows is not None else [])]

    def read() -> Iterator[tuple[str, Row]]:
        for source in sources:
            entry = DatasetEntry(**source.model_dump(exclude={"max_samples"}))
            for number, row in enumerate(islice(raw_rows(entry, scratch), source.max_samples), start=1):
                yield f"{source.name}, row {number}", row

    return sliced(read, compiled.slice)


def _note_invalid(stage: PrepareStage, counts: Counts, place: str, error: RowError) -> None:
    if stage.invalid_rows == "error":
        hint = "mend the row, or write invalid_rows: drop to leave such rows out and count them"
        raise DataError(error.code, place, hint=hint) from error
    counts.invalid += 1
    counts.dropped[f"invalid: column `{error.column}`"] += 1
    counts.first_invalid = counts.first_invalid or place


def _demand_few_invalid(stage: PrepareStage, counts: Counts) -> None:
    if counts.invalid > stage.max_invalid_share * counts.read:
        raise DataError(
            "D405",
            f"{counts.invalid} of {counts.read} rows cannot be read; the first: {counts.first_invalid}",
            hint=f"max_invalid_share allows {stage.max_invalid_share:g}: mend the rows, or raise it",
        )
