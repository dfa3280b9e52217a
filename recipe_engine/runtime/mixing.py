"""Several prepared datasets as one: how much of each, in which order."""

from __future__ import annotations

import numpy as np
from datasets import Dataset, concatenate_datasets, interleave_datasets

from recipe_engine.compiled import CompiledRun
from recipe_engine.data.mixture import copies_of, held_out_of
from recipe_engine.recipe.data import DatasetEntry
from recipe_engine.runtime.errors import RunError

STOPPING = {
    "interleave_under": "first_exhausted",
    "interleave_over": "all_exhausted",
    "interleave_once": "all_exhausted_without_replacement",
}


def seed_of(run: CompiledRun) -> int:
    """The seed of everything that is drawn or shuffled before training."""
    for name in ("data_seed", "seed"):
        if run.arguments.get(name) is not None:
            return int(run.arguments[name])
    return 42  # the trainer's own default


def drawn(run: CompiledRun, entry: DatasetEntry, dataset: Dataset) -> Dataset:
    """Apply a ``max_samples`` that is drawn; one that takes the first rows was applied when they were read."""
    if entry.max_samples is not None and run.data.shuffle and len(dataset) > entry.max_samples:
        return dataset.shuffle(seed=seed_of(run)).select(range(entry.max_samples))
    return dataset


def parted(run: CompiledRun, datasets: list[Dataset]) -> tuple[list[Dataset], Dataset | None]:
    """The datasets without the rows that ``data.eval_holdout`` takes of each, and those rows.

    Raises:
        RunError: nothing is left on one side.
    """
    if run.data.eval_holdout is None:
        return datasets, None
    taken = held_out_of([len(dataset) for dataset in datasets], run.data.eval_holdout)
    if sum(taken) == 0 or any(rows >= len(dataset) for rows, dataset in zip(taken, datasets, strict=True)):
        left = "nothing to evaluate on" if sum(taken) == 0 else "nothing of a dataset to train on"
        everything = sum(len(dataset) for dataset in datasets)
        raise RunError(f"data.eval_holdout: {sum(taken)} of {everything} rows leaves {left}")
    generator = np.random.default_rng(seed_of(run))
    kept, held_out = [], []
    for dataset, rows in zip(datasets, taken, strict=True):
        chosen = set(generator.choice(len(dataset), rows, replace=False).tolist())
        kept.append(dataset.select([index for index in range(len(dataset)) if index not in chosen]))
        held_out.append(dataset.select(sorted(chosen)))
    return kept, concatenate_datasets(held_out)


def weighted(run: CompiledRun, entry: DatasetEntry, dataset: Dataset) -> Dataset:
    """Apply ``weight`` where datasets are concatenated."""
    if entry.weight is None or run.data.mixing != "concatenate":
        return dataset
    whole, part = copies_of(len(dataset), entry.weight)
    copies = [dataset] * whole
    if part:
        copies.append(dataset.shuffle(seed=seed_of(run)).select(range(part)))
    return concatenate_datasets(copies) if copies else dataset.select([])


def mixed(run: CompiledRun, entries: list[DatasetEntry], datasets: list[Dataset]) -> Dataset:
    """The mixture that the recipe asks for. The datasets have the same columns."""
    if len(datasets) == 1:
        mixture = datasets[0]
    elif run.data.mixing == "concatenate":
        mixture = concatenate_datasets(datasets)
    else:
        weights = [entry.weight or 1.0 for entry in entries]
        probabilities = None if run.data.mixing == "interleave_once" else [w / sum(weights) for w in weights]
        mixture = interleave_datasets(
            datasets,
            probabilities=probabilities,
            seed=seed_of(run),
            stopping_strategy=STOPPING[run.data.mixing],
        )
    return mixture.shuffle(seed=seed_of(run)) if run.data.shuffle else mixture
