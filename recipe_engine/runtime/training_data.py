"""The training and evaluation rows of a run: prepared by one process, read by all."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from accelerate import PartialState
from datasets import Dataset
from transformers import PreTrainedTokenizerBase

from recipe_engine.compiled import CompiledRun
from recipe_engine.runtime.counts import counts_as_data, describe
from recipe_engine.runtime.prepare import prepare

Say = Callable[[str], None]

_POLL_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class TrainingData:
    """What a trainer is given."""

    training: Dataset
    evaluation: Dataset | None
    columns: tuple[str, ...]
    """Columns that rewards read; none for other algorithms."""


def training_data(run: CompiledRun, tokenizer: PreTrainedTokenizerBase, say: Say) -> TrainingData:
    """Prepare the rows in the first process; every process then maps the same files.

    Raises:
        DataError: a dataset cannot be used.
        RunError: nothing is left of one.
    """
    folder = Path(run.run_dir) / "data"
    state = PartialState()
    if state.num_processes == 1:
        return _made(run, tokenizer, folder, say)
    done = folder / "done"
    if state.is_main_process:
        done.unlink(missing_ok=True)  # an earlier start's
    state.wait_for_everyone()
    if state.is_main_process:
        _save(_made(run, tokenizer, folder, say), folder)
        done.touch()
    # The others look for a file: a collective would give up after half an hour. If the first fails, all are ended.
    while not done.exists():
        time.sleep(_POLL_SECONDS)
    return _saved(folder)


def _made(run: CompiledRun, tokenizer: PreTrainedTokenizerBase, folder: Path, say: Say) -> TrainingData:
    shutil.rmtree(folder, ignore_errors=True)
    prepared = prepare(run, run.data.datasets, tokenizer, folder / "train", holding_out=True)
    evaluation, counts, columns = prepared.held_out, prepared.counts, prepared.columns
    if run.data.eval_datasets:
        own = prepare(run, run.data.eval_datasets, tokenizer, folder / "eval")
        evaluation, counts = own.dataset, counts + own.counts
        columns = tuple(dict.fromkeys(columns + own.columns))
    for count in counts:
        say(f"data: {count.name} ({count.format}): {describe(count)}")
    if prepared.held_out is not None:
        say(f"data: {len(prepared.held_out)} rows held out for evaluation")
    (folder / "counts.json").write_text(json.dumps(counts_as_data(counts), indent=1), encoding="utf-8")
    return TrainingData(prepared.dataset, evaluation, columns)


def _save(data: TrainingData, folder: Path) -> None:
    data.training.save_to_disk(folder / "train-mixed")
    if data.evaluation is not None:
        data.evaluation.save_to_disk(folder / "eval-mixed")
    (folder / "columns.json").write_text(json.dumps(data.columns), encoding="utf-8")


def _saved(folder: Path) -> TrainingData:
    evaluation = folder / "eval-mixed"
    return TrainingData(
        Dataset.load_from_disk(folder / "train-mixed"),
        Dataset.load_from_disk(evaluation) if evaluation.is_dir() else None,
        tuple(json.loads((folder / "columns.json").read_text(encoding="utf-8"))),
    )
