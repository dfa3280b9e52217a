"""How many rows a mixture of datasets has, from those that can be read here, and whether they are enough for a step."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from recipe_engine.algorithms.base import Algorithm
from recipe_engine.algorithms.batch import Argument, batch_of, round_of, rows_needed
from recipe_engine.data.check import DatasetReport, check_dataset
from recipe_engine.data.errors import DataError
from recipe_engine.recipe.data import DataBlock, DatasetEntry, RowShape
from recipe_engine.recipe.thinking import ThinkingBlock


@dataclass(frozen=True, slots=True)
class RowCount:
    """Rows of one dataset. ``report`` is none for a dataset that cannot be read on this machine."""

    entry: DatasetEntry
    report: DatasetReport | None


def count_rows(
    entries: Sequence[DatasetEntry],
    data: DataBlock,
    shapes: Collection[RowShape],
    limit: int | None = None,
    thinking: ThinkingBlock | None = None,
) -> tuple[RowCount, ...]:
    """Read every local dataset, at most ``limit`` rows of each.

    Raises:
        DataError: one cannot be read or used; the message names it.
    """
    return tuple(RowCount(entry, _report(entry, data, shapes, limit, thinking)) for entry in entries)


def _report(
    entry: DatasetEntry,
    data: DataBlock,
    shapes: Collection[RowShape],
    limit: int | None,
    thinking: ThinkingBlock | None,
) -> DatasetReport | None:
    try:
        return check_dataset(entry, data, shapes, limit, thinking)
    except DataError as error:
        if error.code == "D408":  # its reader is not installed, so its rows are not known
            return None
        raise DataError(error.code, f"{entry.name}: {error.message}", setting=error.setting, hint=error.hint) from error


def mixed_rows(counts: Sequence[RowCount], data: DataBlock) -> int | None:
    """Rows to train on: mixed, and less those held out; before overlong ones are dropped. None if a count is not known.

    Interleaving by weight is random, so there the number is what is expected.
    """
    rows = [count.report.used for count in counts if count.report is not None]
    if len(rows) < len(counts):
        return None
    if data.eval_holdout is not None:
        held_out = held_out_of(rows, data.eval_holdout)
        rows = [max(of_all - taken, 0) for of_all, taken in zip(rows, held_out, strict=True)]
    weights = [count.entry.weight or 1.0 for count in counts]
    return _mixed(list(zip(rows, weights, strict=True)), data)


def is_random(entries: Sequence[DatasetEntry], data: DataBlock) -> bool:
    """Whether the number of mixed rows is a matter of draws."""
    return data.mixing in {"interleave_under", "interleave_over"} and len(entries) > 1


def copies_of(rows: int, weight: float) -> tuple[int, int]:
    """What concatenation takes of a dataset: how many whole copies, and how many rows drawn beside them."""
    whole = int(weight)
    return whole, round((weight - whole) * rows)


def held_out_rows(rows: int, holdout: float) -> int:
    """How many of ``rows`` rows ``data.eval_holdout`` takes."""
    return int(holdout) if holdout >= 1 else round(holdout * rows)


def held_out_of(rows: Sequence[int], holdout: float) -> list[int]:
    """How many rows of each dataset ``data.eval_holdout`` takes: its share of all.

    They are taken before datasets are weighted and mixed. A row that the mixture repeats would else be trained on and
    evaluated.
    """
    everything = sum(rows)
    wanted = held_out_rows(everything, holdout)
    shares = [wanted * of_one / max(everything, 1) for of_one in rows]
    taken = [int(share) for share in shares]
    by_rest = sorted(range(len(rows)), key=lambda index: taken[index] - shares[index])
    for index in by_rest[: wanted - sum(taken)]:
        taken[index] += 1
    return taken


def _mixed(known: list[tuple[int, float]], data: DataBlock) -> int:
    if data.mixing == "concatenate":
        return sum(rows * whole + drawn for rows, weight in known for whole, drawn in [copies_of(rows, weight)])
    if data.mixing == "interleave_once" or len(known) == 1:
        return sum(rows for rows, _ in known)
    total = sum(weight for _, weight in known)
    rounds = [rows * total / weight for rows, weight in known]  # draws until this dataset is used up
    return round(min(rounds) if data.mixing == "interleave_under" else max(rounds))


def demand_rows(rows: int, algorithm: Algorithm, argument: Argument, processes: int) -> None:
    """Check that ``rows`` rows make at least one step.

    Raises:
        DataError: they do not (D410). TRL would train for no step, and report success.
    """
    needed = rows_needed(argument, processes, algorithm.sampling == "groups")
    if rows >= needed:
        return
    batch = batch_of(argument, processes)
    on = "" if processes == 1 else f" x {processes} processes"
    if algorithm.sampling == "groups":
        sampling = round_of(argument, processes)
        why = (
            f"one round of sampling takes {needed} prompts ({batch.per_device} completions per device{on}"
            f" x {sampling.micro_batches} micro-batches, in groups of {sampling.group})"
        )
        hint = "add rows, or lower gradient_accumulation_steps, steps_per_generation or per_device_train_batch_size"
    else:
        why = f"one batch takes {needed} ({batch.per_device} per device{on}), since dataloader_drop_last is set"
        hint = "add rows, lower per_device_train_batch_size, or take dataloader_drop_last out"
    message = f"{rows} row{'' if rows == 1 else 's'} to train on, and {why}"
    raise DataError("D410", message, setting="datasets", hint=hint)


def demand_enough_rows(
    entries: Sequence[DatasetEntry],
    data: DataBlock,
    algorithm: Algorithm,
    argument: Argument,
    processes: int,
    thinking: ThinkingBlock | None = None,
) -> None:
    """Check that the local datasets make at least one step, reading no more of them than that takes.

    A mixture that is a matter of draws is left to the training itself.

    Raises:
        DataError: they do not (D410), or one cannot be read or used.
    """
    if is_random(entries, data):
        return
    needed = rows_needed(argument, processes, algorithm.sampling == "groups")
    few = mixed_rows(count_rows(entries, data, algorithm.shapes, 4 * needed, thinking), data)
    if few is not None and few < needed:
        rows = mixed_rows(count_rows(entries, data, algorithm.shapes, None, thinking), data)
        if rows is not None:
            demand_rows(rows, algorithm, argument, processes)
