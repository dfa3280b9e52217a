"""The training and evaluation rows of a run: prepared by one process, read by all."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from accelerate import PartialState
from datasets import Dataset
from transformers import PreTrainedTokenizerBase

from recipe_engine.compiled import CompiledRun
from recipe_engine.data.mixture import held_out_rows
from recipe_engine.runtime.counts import counts_as_data, describe
from recipe_engine.runtime.errors import RunError
from recipe_engine.runtime.mixing import seed_of
from recipe_engine.runtime.prepare import prepare

Say = Callable[[str], None]


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
    with state.main_process_first():
        if state.is_main_process:
            data = _made(run, tokenizer, folder, say)
            if state.num_processes == 1:
                return data
            _save(data, folder)
        return _saved(folder)


def _made(run: CompiledRun, tokenizer: PreTrainedTokenizerBase, folder: Path, say: Say) -> TrainingData:
    shutil.rmtree(folder, ignore_errors=True)
    prepared = prepare(run, run.data.datasets, tokenizer, folder / "train")
    training, evaluation = _held_out(run, prepared.dataset)
    counts, columns = prepared.counts, prepared.columns
    if run.data.eval_datasets:
        held_out = prepare(run, run.data.eval_datasets, tokenizer, folder / "eval")
        evaluation = held_out.dataset
        counts, columns = counts + held_out.counts, tuple(dict.fromkeys(columns + held_out.columns))
    for count in counts:
        say(f"data: {count.name} ({count.format}): {describe(count)}")
    (folder / "counts.json").write_text(json.dumps(counts_as_data(counts), indent=1), encoding="utf-8")
    return TrainingData(training, evaluation, columns)


def _held_out(run: CompiledRun, dataset: Dataset) -> tuple[Dataset, Dataset | None]:
    """The rows to train on, and those held out of them."""
    given = run.data.eval_holdout
    if given is None:
        return dataset, None
    rows = held_out_rows(len(dataset), given)
    if not 0 < rows < len(dataset):
        left = "nothing to train on" if rows else "nothing to evaluate on"
        raise RunError(f"data.eval_holdout: {rows} of {len(dataset)} rows leaves {left}")
    split = dataset.train_test_split(test_size=rows, seed=seed_of(run))
    return split["train"], split["test"]


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
