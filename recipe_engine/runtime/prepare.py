"""Datasets, from raw rows to what a trainer is given: converted, tokenized, within the limits, counted, mixed."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow
from datasets import Dataset, Features, List, Value, concatenate_datasets, interleave_datasets
from datasets.arrow_writer import ArrowWriter
from transformers import PreTrainedTokenizerBase

from recipe_engine.algorithms import algorithm
from recipe_engine.compiled import CompiledRun
from recipe_engine.data.check import open_rows
from recipe_engine.data.errors import DataError, RowError
from recipe_engine.data.messages import is_conversation
from recipe_engine.data.rows import Converter
from recipe_engine.recipe.data import DatasetEntry, RowShape
from recipe_engine.runtime.errors import RunError
from recipe_engine.runtime.lengths import Fitted, OverlongError, fitter_for, limits_of
from recipe_engine.runtime.sources import raw_rows
from recipe_engine.runtime.tokenize import tokenizer_for
from recipe_engine.runtime.tokenizer import demand_chat_template

Row = dict[str, Any]

_IDS = List(Value("int32"))
FEATURES: dict[RowShape, Features | None] = {
    "text": Features({"input_ids": _IDS, "labels": _IDS}),
    "messages": Features({"input_ids": _IDS, "labels": _IDS}),
    "prompt_completion": Features({"input_ids": _IDS, "labels": _IDS}),
    "preference": Features({"prompt_ids": _IDS, "chosen_ids": _IDS, "rejected_ids": _IDS}),
    "prompt": None,  # prompts keep the dataset's own columns, for the rewards
}
STOPPING = {
    "interleave_under": "first_exhausted",
    "interleave_over": "all_exhausted",
    "interleave_once": "all_exhausted_without_replacement",
}


@dataclass(slots=True)
class DatasetCounts:
    """What became of the rows of one dataset."""

    name: str
    format: str
    shape: str
    read: int = 0
    invalid: int = 0
    overlong_dropped: int = 0
    overlong_cut: int = 0
    refused: int = 0
    used: int = 0
    lengths: list[int] = field(default_factory=list, repr=False)
    """Tokens of every row before any cut (of prompts, where only those are given)."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A mixture that is ready for a trainer, and what became of the rows it was made of."""

    dataset: Dataset
    counts: list[DatasetCounts]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one raw row became: a fitted row, or the reason why it cannot be used."""

    fitted: Fitted | None = None
    invalid: str | None = None
    refused: str | None = None
    """Over a limit, where the recipe calls that an error."""


def prepare(
    run: CompiledRun, entries: list[DatasetEntry], tokenizer: PreTrainedTokenizerBase, folder: Path
) -> Prepared:
    """Prepare datasets and mix them. Rows are written to ``folder`` and mapped from there, so memory stays small.

    Raises:
        DataError: a dataset cannot be read, its columns do not fit, or a row cannot be used and may not be dropped.
        RunError: nothing is left, or chat rows meet a tokenizer without a template.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    made = [_prepare_one(run, entry, tokenizer, folder / f"{i}.arrow") for i, entry in enumerate(entries)]
    datasets = [dataset for dataset, _ in made]
    counts = [count for _, count in made]
    for count in counts:
        if count.used == 0:
            raise RunError(f"no row of {count.name} is left: {describe(count)}", hint=_hint_for_nothing_left(count))
    return Prepared(_mixed(run, entries, datasets), counts)


def describe(count: DatasetCounts) -> str:
    """The counts in words."""
    parts = [f"{count.read} rows read", f"{count.used} used"]
    if count.overlong_dropped:
        share = count.overlong_dropped / max(count.read, 1)
        parts.append(f"{count.overlong_dropped} over the length limit dropped ({share:.0%})")
    if count.overlong_cut:
        parts.append(f"{count.overlong_cut} over the length limit cut")
    if count.refused:
        parts.append(f"{count.refused} over the length limit, which the recipe calls an error")
    if count.invalid:
        parts.append(f"{count.invalid} invalid")
    return ", ".join(parts)


def counts_as_data(counts: list[DatasetCounts]) -> list[dict[str, Any]]:
    """The counts as plain data, without the single lengths."""
    return [{name: value for name, value in asdict(count).items() if name != "lengths"} for count in counts]


def outcome_function(
    run: CompiledRun, converter: Converter, tokenizer: PreTrainedTokenizerBase
) -> Callable[[Row], Outcome]:
    """The whole way of one raw row."""
    tokenize = tokenizer_for(converter.shape, tokenizer, run.arguments)
    fit = fitter_for(converter.shape, limits_of(run, converter.shape))

    def outcome(row: Row) -> Outcome:
        try:
            return Outcome(fit(tokenize(converter.convert(row))))
        except RowError as error:
            return Outcome(invalid=error.message)
        except OverlongError as error:
            return Outcome(refused=str(error))

    return outcome


def opened(
    run: CompiledRun, entry: DatasetEntry, tokenizer: PreTrainedTokenizerBase, cache: Path
) -> tuple[Converter, Iterator[Row]]:
    """The converter of a dataset and its raw rows, at most ``max_samples`` of them unless they are to be drawn.

    Raises:
        DataError: the dataset cannot be read or its columns do not fit.
        RunError: its rows are chat messages, and the tokenizer has no template.
    """
    try:
        shapes = algorithm(run.algorithm).shapes
        converter, rows = open_rows(raw_rows(entry, cache), entry, run.data, shapes)
    except DataError as error:
        raise _of_dataset(error, entry) from error
    if entry.max_samples is not None and not run.data.shuffle:
        rows = islice(rows, entry.max_samples)
    return converter, _with_template_check(rows, converter, tokenizer, entry)


def _prepare_one(
    run: CompiledRun, entry: DatasetEntry, tokenizer: PreTrainedTokenizerBase, file: Path
) -> tuple[Dataset, DatasetCounts]:
    converter, rows = opened(run, entry, tokenizer, file.parent / "fetched")
    counts = DatasetCounts(entry.name, converter.format or "prompt templates", converter.shape)
    try:
        with ArrowWriter(path=str(file), features=FEATURES[converter.shape]) as writer:
            for row in _accepted(run, entry, _outcomes(run, converter, tokenizer, rows), counts):
                writer.write(row)
            writer.finalize()
    except pyarrow.ArrowInvalid as error:
        raise DataError(
            "D402",
            f"{entry.name}: a column holds values of different types: {error}",
            setting="dataset_columns",
            hint="name only the columns that are needed: dataset_columns: [...]",
        ) from error
    except DataError as error:
        raise _of_dataset(error, entry) from error
    dataset = Dataset.from_file(str(file)) if counts.used else Dataset.from_dict({})
    return _sampled(run, entry, dataset, counts), counts


def tally(counts: DatasetCounts, outcome: Outcome) -> Row | None:
    """Count what became of one raw row. Returns the row to train on, if it is used."""
    counts.read += 1
    if outcome.fitted is None:
        counts.invalid += outcome.invalid is not None
        counts.refused += outcome.refused is not None
        return None
    counts.lengths.append(outcome.fitted.length)
    if outcome.fitted.row is None:
        counts.overlong_dropped += 1
        return None
    counts.overlong_cut += outcome.fitted.cut
    counts.used += 1
    return outcome.fitted.row


def _accepted(
    run: CompiledRun, entry: DatasetEntry, outcomes: Iterator[Outcome], counts: DatasetCounts
) -> Iterator[Row]:
    """The rows that are used; all others are counted, or end the run as the recipe says."""
    for outcome in outcomes:
        row = tally(counts, outcome)
        if outcome.invalid is not None and run.data.invalid_rows == "error":
            hint = "mend the row, or write data.invalid_rows: drop to leave such rows out and count them"
            raise DataError("D405", f"{entry.name}, row {counts.read}: {outcome.invalid}", hint=hint)
        if outcome.refused is not None:
            hint = "raise the limit, or write data.overlong_rows: drop, left or right"
            raise DataError("D409", f"{entry.name}, row {counts.read}: {outcome.refused}", hint=hint)
        if row is not None:
            yield row


def _outcomes(
    run: CompiledRun, converter: Converter, tokenizer: PreTrainedTokenizerBase, rows: Iterator[Row]
) -> Iterator[Outcome]:
    outcome = outcome_function(run, converter, tokenizer)
    processes = run.data.dataset_num_proc or 1
    if processes == 1:
        yield from map(outcome, rows)
        return
    # Forked workers inherit the function, so nothing of it need be picklable.
    global _inherited
    _inherited = outcome
    import multiprocessing

    with ProcessPoolExecutor(processes, mp_context=multiprocessing.get_context("fork")) as pool:
        while chunk := list(islice(rows, 1024 * processes)):
            yield from pool.map(_call_inherited, chunk, chunksize=128)


_inherited: Callable[[Row], Outcome] | None = None


def _call_inherited(row: Row) -> Outcome:
    if _inherited is None:
        raise AssertionError("the pool was started before the function was set")
    return _inherited(row)


def _check_template(row: Row, converter: Converter, tokenizer: PreTrainedTokenizerBase, entry: DatasetEntry) -> bool:
    """Whether a row needs a chat template, which must then be there; a row that cannot be read does not tell."""
    try:
        made = converter.convert(row)
    except RowError:
        return False
    if is_conversation(made.get("messages")) or is_conversation(made.get("prompt")):
        demand_chat_template(tokenizer, entry.name)
    return True


def _with_template_check(
    rows: Iterator[Row], converter: Converter, tokenizer: PreTrainedTokenizerBase, entry: DatasetEntry
) -> Iterator[Row]:
    """Demand a chat template at the first row that needs one."""
    checked = False
    for row in rows:
        if not checked:
            checked = _check_template(row, converter, tokenizer, entry)
        yield row


def _sampled(run: CompiledRun, entry: DatasetEntry, dataset: Dataset, counts: DatasetCounts) -> Dataset:
    """Apply a drawn ``max_samples``, and ``weight`` where datasets are concatenated."""
    seed = _seed(run)
    if entry.max_samples is not None and run.data.shuffle and len(dataset) > entry.max_samples:
        dataset = dataset.shuffle(seed=seed).select(range(entry.max_samples))
        counts.used = entry.max_samples
    weight = entry.weight
    if weight is None or run.data.mixing != "concatenate" or len(dataset) == 0:
        return dataset
    whole, part = int(weight), round((weight - int(weight)) * len(dataset))
    copies = [dataset] * whole + ([dataset.shuffle(seed=seed).select(range(part))] if part else [])
    counts.used = sum(len(copy) for copy in copies)
    return concatenate_datasets(copies) if copies else dataset.select([])


def _mixed(run: CompiledRun, entries: list[DatasetEntry], datasets: list[Dataset]) -> Dataset:
    datasets = _with_same_columns(datasets)
    if len(datasets) == 1:
        mixed = datasets[0]
    elif run.data.mixing == "concatenate":
        mixed = concatenate_datasets(datasets)
    else:
        weights = [entry.weight or 1.0 for entry in entries]
        probabilities = None if run.data.mixing == "interleave_once" else [w / sum(weights) for w in weights]
        mixed = interleave_datasets(
            datasets,
            probabilities=probabilities,
            seed=_seed(run),
            stopping_strategy=STOPPING[run.data.mixing],  # type: ignore[arg-type]  # one of the three it names
        )
    return mixed.shuffle(seed=_seed(run)) if run.data.shuffle else mixed


def _with_same_columns(datasets: list[Dataset]) -> list[Dataset]:
    """Prompts keep their own columns: a dataset without one that another has gets nulls there."""
    names = list(dict.fromkeys(name for dataset in datasets for name in dataset.column_names))
    filled = []
    for dataset in datasets:
        for name in names:
            if name not in dataset.column_names:
                dataset = dataset.add_column(name, [None] * len(dataset))
        filled.append(dataset.select_columns(names))
    return filled


def _seed(run: CompiledRun) -> int:
    return int(run.arguments.get("data_seed") or run.arguments.get("seed") or 42)


def _of_dataset(error: DataError, entry: DatasetEntry) -> DataError:
    if error.message.startswith(entry.name):
        return error
    return DataError(error.code, f"{entry.name}: {error.message}", setting=error.setting, hint=error.hint)


def _hint_for_nothing_left(count: DatasetCounts) -> str | None:
    if count.overlong_dropped:
        shortest = min(count.lengths)
        return f"its shortest row has {shortest} tokens: raise data.max_length or data.max_prompt_length"
    return None
