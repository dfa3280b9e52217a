"""Columns that rewards name, held against those that the datasets on this machine have."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from recipe_engine.algorithms import algorithm
from recipe_engine.data.check import local_rows, open_rows
from recipe_engine.data.errors import DataError, RowError
from recipe_engine.data.templates import placeholders
from recipe_engine.diagnostics import Diagnostic
from recipe_engine.diagnostics.spelling import nearest
from recipe_engine.lint.report import dotted
from recipe_engine.recipe.data import DatasetEntry
from recipe_engine.recipe.rewards import HttpReward, JudgeReward, Reward
from recipe_engine.recipe.root import Recipe
from recipe_engine.source import Document, Path

_ROWS = 20
"""Rows that are looked at: JSON lines may leave a column out where it is empty."""


def unknown_columns(recipe: Recipe, document: Document) -> Iterator[Diagnostic]:
    """A finding for each column that a reward names and no dataset has; none where a dataset is not on this machine."""
    if not recipe.rewards or not algorithm(recipe.training.algorithm).reward_driven:
        return
    known: dict[str, None] = {}
    for entry in recipe.data.datasets:
        columns = _columns(entry, recipe)
        if columns is None:
            return
        known |= dict.fromkeys(columns)
    for index, reward in enumerate(recipe.rewards):
        for key, name in named_columns(reward):
            if name in known or name.partition(".")[0] in known:
                continue
            path: Path = ("rewards", index, *key)
            span = document.value_span(path if path in document.marks else ("rewards", index))
            close = nearest(name, known)
            hint = f"did you mean {close}?" if close else f"the columns are {', '.join(known)}"
            message = f"{dotted(path)}: no dataset has the column `{name}`"
            yield Diagnostic("D403", "error", message, span, hint)


def named_columns(reward: Reward) -> Iterator[tuple[Path, str]]:
    """The columns that a reward names, each with its key in the reward."""
    if reward.only is not None:
        yield ("only", "column"), reward.only.column
    for key in type(reward).model_fields:
        if key.endswith("_column") and (name := getattr(reward, key)) is not None:
            yield (key,), name
    if isinstance(reward, HttpReward):
        yield from ((("columns", place), name) for place, name in enumerate(reward.columns or ()))
    if isinstance(reward, JudgeReward):
        named = placeholders(reward.prompt)
        yield from ((("prompt",), name) for name in named if name not in {"prompt", "completion"})


def _columns(entry: DatasetEntry, recipe: Recipe) -> set[str] | None:
    """The columns of a dataset's rows once they are read; none where that is not known here."""
    try:
        raw = local_rows(entry)
        if raw is None:
            return None
        shapes = algorithm(recipe.training.algorithm).shapes
        converter, rows = open_rows(raw, entry, recipe.data, shapes, recipe.thinking)
    except DataError:
        return None
    found: set[str] = set()
    for row in islice(rows, _ROWS):
        try:
            found |= converter.convert(row).keys()
        except RowError:
            continue
    return found or None
