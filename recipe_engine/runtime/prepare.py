"""Datasets, from raw rows to what a trainer is given: converted, tokenized, within the limits, counted, mixed."""

from __future__ import annotations

import multiprocessing
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from datasets import Dataset, Features, List, Value
from datasets.arrow_writer import ArrowWriter
from transformers import PreTrainedTokenizerBase

from recipe_engine.algorithms import algorithm
from recipe_engine.compiled import CompiledRun
from recipe_engine.data.check import demand_few_invalid, is_bad_answer, open_rows
from recipe_engine.data.errors import DataError, RowError
from recipe_engine.data.rows import Converter
from recipe_engine.data.sources import raw_rows
from recipe_engine.data.steps import step_tokens
from recipe_engine.recipe.data import DatasetEntry, RowShape
from recipe_engine.recipe.rewards import Reward
from recipe_engine.runtime.counts import DatasetCounts, Outcome, describe, tally
from recipe_engine.runtime.errors import RunError
from recipe_engine.runtime.lengths import OverlongError, fitter_for, limits_of
from recipe_engine.runtime.mixing import drawn, mixed, parted, weighted
from recipe_engine.runtime.reward_rows import COLUMN, pack
from recipe_engine.runtime.rewards import applies_to_row, row_checks
from recipe_engine.runtime.tokenize import tokenizer_for

Row = dict[str, Any]

_IDS = List(Value("int32"))
FEATURES: dict[RowShape, Features] = {
    "text": Features({"input_ids": _IDS, "labels": _IDS}),
    "messages": Features({"input_ids": _IDS, "labels": _IDS}),
    "prompt_completion": Features({"input_ids": _IDS, "labels": _IDS}),
    "preference": Features({"prompt_ids": _IDS, "chosen_ids": _IDS, "rejected_ids": _IDS}),
    "preference_margin": Features(
        {"prompt_ids": _IDS, "chosen_ids": _IDS, "rejected_ids": _IDS, "margin": Value("float64")}
    ),
    "unpaired": Features({"prompt_ids": _IDS, "completion_ids": _IDS, "label": Value("bool")}),
    "stepwise": Features({"input_ids": _IDS, "positions": _IDS, "targets": List(List(Value("float64")))}),
    "prompt": Features({COLUMN: Value("string")}),
}


@dataclass(frozen=True, slots=True)
class Prepared:
    """A mixture that is ready for a trainer, and what became of the rows it was made of."""

    dataset: Dataset
    held_out: Dataset | None
    """Rows that are evaluated, where the recipe takes them from those to train on."""
    counts: list[DatasetCounts]
    columns: tuple[str, ...]
    """Every column that a row of prompts has, over all datasets; none for other shapes."""


def prepare(
    run: CompiledRun,
    entries: list[DatasetEntry],
    tokenizer: PreTrainedTokenizerBase,
    folder: Path,
    *,
    holding_out: bool = False,
) -> Prepared:
    """Prepare datasets, hold rows of them out where ``data.eval_holdout`` says so, and mix the rest.

    Rows are written to ``folder`` and mapped from there, so memory stays small.

    Raises:
        DataError: a dataset cannot be read, its columns do not fit, or a row cannot be used and may not be dropped.
        RunError: nothing is left, or chat rows meet a tokenizer without a template.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    datasets, counts, prompts = [], [], _Prompts([reward for reward in run.rewards if reward.only is not None])
    for number, entry in enumerate(entries):
        dataset, count = _prepare_one(run, entry, tokenizer, folder / f"{number}.arrow", prompts)
        datasets.append(dataset)
        counts.append(count)
    _demand_one_kind(counts)
    if holding_out and prompts.idle and prompts.columns:
        _refuse_idle(prompts.idle[0])
    datasets, held_out = parted(run, datasets) if holding_out else (datasets, None)
    for index, (entry, count) in enumerate(zip(entries, counts, strict=True)):
        datasets[index] = weighted(run, entry, datasets[index])
        count.used = len(datasets[index])
        if count.shape == "unpaired":
            count.desirable = sum(datasets[index]["label"])
        if count.used == 0:
            raise RunError(f"no row of {entry.name} is left: {describe(count)}", hint="raise its weight")
    return Prepared(mixed(run, entries, datasets), held_out, counts, tuple(prompts.columns))


def _demand_one_kind(counts: list[DatasetCounts]) -> None:
    """Rows that are sampled from travel as text and others as tokens: no batch can hold both."""
    if len({count.shape == "prompt" for count in counts}) > 1:
        hint = "give all of them a completion_column, or write format: prompt in each entry"
        raise RunError("some rows are prompts alone and others have completions, which cannot be mixed", hint)


def _refuse_idle(reward: Reward) -> None:
    only = reward.only
    if only is not None:
        values = ", ".join(repr(value) for value in only.values)
        raise RunError(
            f"reward {reward.label} applies to no row: none holds {values} in the column `{only.column}`",
            hint="mend its only.values, or leave the reward out",
        )


@dataclass(slots=True)
class _Prompts:
    """What all prompts of a mixture have in common."""

    idle: list[Reward]
    """Rewards that no row has called for yet."""
    columns: dict[str, None] = field(default_factory=dict)
    kinds: set[type] = field(default_factory=set)

    def pack(self, row: Row) -> dict[str, str]:
        """Take note of a row, and pack it."""
        self.columns |= dict.fromkeys(row)
        if self.idle:
            self.idle = [reward for reward in self.idle if not applies_to_row(reward, row)]
        self.kinds.add(type(row["prompt"]))
        if len(self.kinds) > 1:
            hint = "make messages of all of them: data.wrap_in_chat: true"
            raise RunError(
                "some prompts are plain text and others chat messages, which cannot be sampled together", hint
            )
        return pack(row)


def opened(run: CompiledRun, entry: DatasetEntry, cache: Path) -> tuple[Converter, Iterator[Row]]:
    """The converter of a dataset and its raw rows, at most ``max_samples`` of them unless they are to be drawn.

    Raises:
        DataError: the dataset cannot be read or its columns do not fit.
    """
    shapes = algorithm(run.algorithm).shapes
    steps = step_tokens(run.settings)
    converter, rows = open_rows(raw_rows(entry, cache), entry, run.data, shapes, run.thinking, steps)
    first_ones = entry.max_samples if not run.data.shuffle else None
    return converter, islice(rows, first_ones)


def counts_of(entry: DatasetEntry, converter: Converter) -> DatasetCounts:
    """The counts of a dataset before its first row."""
    name = converter.format or "prompt templates"
    return DatasetCounts(entry.name, name, converter.shape, unread_thoughts=converter.unread_thoughts)


def outcome_function(
    run: CompiledRun, converter: Converter, tokenizer: PreTrainedTokenizerBase
) -> Callable[[Row], Outcome]:
    """The whole way of one raw row."""
    tokenize = tokenizer_for(converter.shape, tokenizer, run.arguments, run.thinking, step_tokens(run.settings))
    fit = fitter_for(converter.shape, limits_of(run, converter.shape))
    checks = row_checks(run) if converter.shape == "prompt" else []

    def outcome(row: Row) -> Outcome:
        try:
            converted = converter.convert(row)
            for check in checks:
                check(converted)
            tokenized = tokenize(converted)
            return Outcome(
                fit(tokenized),
                reshaped_prompt=tokenized.get("reshaped_prompt", False),
                bad_answer=is_bad_answer(row, converter),
            )
        except RowError as error:
            return Outcome(invalid=error.message)
        except OverlongError as error:
            return Outcome(refused=str(error))

    return outcome


def _prepare_one(
    run: CompiledRun, entry: DatasetEntry, tokenizer: PreTrainedTokenizerBase, file: Path, prompts: _Prompts
) -> tuple[Dataset, DatasetCounts]:
    try:
        converter, rows = opened(run, entry, file.parent / "fetched")
        counts = counts_of(entry, converter)
        outcomes = _outcomes(run, converter, tokenizer, rows)
        with ArrowWriter(path=str(file), features=FEATURES[converter.shape]) as writer:
            for row in _accepted(run, outcomes, counts):
                writer.write(prompts.pack(row) if converter.shape == "prompt" else row)
            writer.finalize()
    except DataError as error:
        raise DataError(error.code, f"{entry.name}: {error.message}", setting=error.setting, hint=error.hint) from error
    except RunError as error:
        raise RunError(f"{entry.name}: {error.message}", error.hint) from error
    if counts.used == 0:
        raise RunError(f"no row of {entry.name} is left: {describe(counts)}", hint=_hint_for_nothing_left(counts))
    return drawn(run, entry, Dataset.from_file(str(file))), counts


def _accepted(run: CompiledRun, outcomes: Iterator[Outcome], counts: DatasetCounts) -> Iterator[Row]:
    """The rows that are used; all others are counted, or end the run as the recipe says."""
    for outcome in outcomes:
        row = tally(counts, outcome)
        if outcome.invalid is not None and run.data.invalid_rows == "error":
            hint = "mend the row, or write data.invalid_rows: drop to leave such rows out and count them"
            raise DataError("D405", f"row {counts.read}: {outcome.invalid}", setting="invalid_rows", hint=hint)
        if outcome.refused is not None:
            hint = "raise the limit, or write data.overlong_rows: drop, left or right"
            raise DataError("D409", f"row {counts.read}: {outcome.refused}", setting="overlong_rows", hint=hint)
        if row is not None:
            yield row
    demand_few_invalid(counts.invalid, counts.read, run.data)


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
    with ProcessPoolExecutor(processes, mp_context=multiprocessing.get_context("fork")) as pool:
        while chunk := list(islice(rows, 1024 * processes)):
            yield from pool.map(_call_inherited, chunk, chunksize=128)


_inherited: Callable[[Row], Outcome] | None = None


def _call_inherited(row: Row) -> Outcome:
    if _inherited is None:
        raise AssertionError("the pool was started before the function was set")
    return _inherited(row)


def _hint_for_nothing_left(count: DatasetCounts) -> str | None:
    if count.overlong_dropped:
        shortest = min(count.lengths)
        return f"its shortest row has {shortest} tokens: raise data.max_length or data.max_prompt_length"
    return None
