"""L350 same-dataset-twice (warning)

The same rows stand twice in the mixture: they count double, which ``weight: 2`` says openly. Rows that are trained on
and evaluated on are an error: the measurement then shows what was memorised.

Fails:
    data:
      datasets:
        - name: my/dataset
        - name: my/dataset
Fails:
    data:
      datasets:
        - name: my/dataset
      eval_datasets:
        - name: my/dataset
Passes:
    data:
      datasets:
        - name: my/dataset
          weight: 2
      eval_datasets:
        - name: my/dataset
          split: test
    training:
      eval_strategy: epoch
"""

from __future__ import annotations

import posixpath
from collections.abc import Hashable, Iterator

from recipe_engine.lint.report import dotted
from recipe_engine.lint.rows import entries
from recipe_engine.lint.rule import Context, Finding
from recipe_engine.recipe.data import DatasetEntry
from recipe_engine.source import Path


def check(context: Context) -> Iterator[Finding]:
    read: dict[Hashable, Path] = {}
    trained: dict[Hashable, Path] = {}
    for path, entry in entries(context):
        place = (*path, "name")
        if path[1] == "eval_datasets" and _rows(entry) in trained:
            yield Finding(
                place,
                f"these rows are trained on too: {dotted(trained[_rows(entry)])} is the same dataset",
                hint="name another split, or remove it and hold rows back: data.eval_holdout: 0.05",
                severity="error",
            )
        elif path[1] == "datasets":
            other = read.setdefault(_reading(entry), path)
            trained.setdefault(_rows(entry), path)
            if other != path:
                message = f"the same dataset as {dotted(other)}: its rows are taken twice"
                yield Finding(place, message, hint=f"remove it; if that is meant, write weight: 2 in {dotted(other)}")


def _rows(entry: DatasetEntry) -> Hashable:
    """What tells one set of rows from another."""
    return posixpath.normpath(entry.name), entry.subset, entry.split


def _reading(entry: DatasetEntry) -> Hashable:
    """The rows and how they are read: one dataset may be read twice, by other columns."""
    how = entry.model_dump(exclude={"name", "subset", "split", "weight", "max_samples", "dataset_columns"})
    return _rows(entry), tuple(sorted(how.items()))
