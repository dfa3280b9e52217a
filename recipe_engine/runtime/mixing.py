"""Several prepared datasets as one: how much of each, in which order."""

from __future__ import annotations

from datasets import Dataset, concatenate_datasets, interleave_datasets

from recipe_engine.compiled import CompiledRun
from recipe_engine.data.mixture import copies_of
from recipe_engine.recipe.data import DatasetEntry

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


def sampled(run: CompiledRun, entry: DatasetEntry, dataset: Dataset) -> Dataset:
    """Apply a drawn ``max_samples``, and ``weight`` where datasets are concatenated."""
    if entry.max_samples is not None and run.data.shuffle and len(dataset) > entry.max_samples:
        dataset = dataset.shuffle(seed=seed_of(run)).select(range(entry.max_samples))
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
