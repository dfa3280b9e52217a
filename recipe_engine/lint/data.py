"""Checking the datasets of a recipe that are on this machine: every row is read and converted as for training."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from recipe_engine.algorithms import algorithm
from recipe_engine.data.check import DatasetReport, check_dataset, demand_few_invalid
from recipe_engine.data.errors import DataError, RowError
from recipe_engine.data.mixture import RowCount, demand_rows, is_random, mixed_rows
from recipe_engine.data.steps import step_tokens
from recipe_engine.diagnostics import Diagnostic, Severity
from recipe_engine.diagnostics.redact import redact
from recipe_engine.lint import Checked
from recipe_engine.lint.allow import without_allowed
from recipe_engine.lint.facts import first_given
from recipe_engine.lint.report import shown
from recipe_engine.lint.reward_columns import unknown_columns
from recipe_engine.lint.rule import Context
from recipe_engine.lint.rules import thoughts_unread
from recipe_engine.recipe.data import DatasetEntry
from recipe_engine.recipe.root import Recipe
from recipe_engine.source import Document, Path

KTO_BALANCE = (1.0, 4 / 3)
"""From and to: how many times as much the good answers together should weigh as the bad ones."""
MAX_MESSAGE = 500
"""Characters: a message may quote a row, and rows can be long."""


def check_data(checked: Checked, gpus: int | None = None) -> list[Diagnostic]:
    """What is wrong with the datasets of a checked recipe; nothing for a recipe that has errors of its own.

    ``gpus`` is how many will be used, where that is known: more of them need more rows.
    """
    if checked.recipe is None or checked.document is None:
        return []
    data = checked.recipe.data
    found: list[Diagnostic] = []
    counts: list[RowCount] = []
    for key, entries in (("datasets", data.datasets), ("eval_datasets", data.eval_datasets)):
        for index, entry in enumerate(entries):
            report = check_entry(checked.document, ("data", key, index), entry, checked.recipe, found)
            if key == "datasets":
                counts.append(RowCount(entry, report))
    if not any(diagnostic.severity == "error" for diagnostic in found):
        found += _check_weights(Context(checked.recipe, checked.document, gpus), counts)
        found += unknown_columns(checked.recipe, checked.document)
        found += _check_number(Context(checked.recipe, checked.document, gpus), counts)
    return without_allowed(found, checked.texts)


def check_entry(
    document: Document, path: Path, entry: DatasetEntry, recipe: Recipe, found: list[Diagnostic]
) -> DatasetReport | None:
    """Check one dataset of a recipe, which stands at ``path``, and add what is wrong with it to ``found``."""
    return _check(_Dataset(document, path, shown(entry.name), found), entry, recipe)


def _check_number(context: Context, counts: list[RowCount]) -> Iterator[Diagnostic]:
    """Whether there are rows enough for one step: on one process, where the number of processes is open."""
    data = context.recipe.data
    rows = mixed_rows(counts, data)
    if rows is None or is_random(data.datasets, data):
        return
    try:
        demand_rows(rows, context.algorithm, context.argument, context.processes or 1)
    except DataError as error:
        span = context.document.value_span(("data", "datasets"))
        yield Diagnostic(error.code, "error", error.message, span, error.hint)


def _check_weights(context: Context, counts: list[RowCount]) -> Iterator[Diagnostic]:
    """Whether good and bad answers weigh about as much, as the KTO paper (arXiv 2402.01306, section 4.2) advises."""
    reports = [count.report for count in counts if count.report is not None]
    good, bad = (sum(report.labels[label] for report in reports) for label in (True, False))
    if "unpaired" not in context.algorithm.shapes or len(reports) < len(counts) or not good or not bad:
        return
    desirable, undesirable = context.argument("desirable_weight"), context.argument("undesirable_weight")
    low, high = KTO_BALANCE
    if low * 0.99 <= desirable * good / (undesirable * bad) <= high * 1.01:
        return
    first = [undesirable * bad * share / good for share in KTO_BALANCE]
    span = context.document.value_span(
        first_given(context, ("training", "desirable_weight"), ("training", "algorithm"))
    )
    message = f"{good} good answers of weight {desirable:g} stand against {bad} bad ones of weight {undesirable:g}"
    hint = f"write desirable_weight: from {first[0]:.3g} to {first[1]:.3g}, or change undesirable_weight the other way"
    yield Diagnostic("D418", "warning", message, span, hint)


@dataclass(frozen=True, slots=True)
class _Dataset:
    """One entry of the recipe, and where to add what is found about it."""

    document: Document
    path: Path
    label: str
    found: list[Diagnostic] = field(repr=False)

    def add(self, code: str, severity: Severity, message: str, setting: str = "name", hint: str | None = None) -> None:
        """Add a finding at ``setting``, a key of the entry or of the data block; if that is not given, at the name."""
        places: list[Path] = [(*self.path, setting), ("data", setting), (*self.path, "name")]
        place = next(path for path in places if path in self.document.marks)
        text = f"{self.label}{message}"
        text = redact(text if len(text) <= MAX_MESSAGE else f"{text[: MAX_MESSAGE - 3]}...")
        span = self.document.value_span(place)
        self.found.append(Diagnostic(code, severity, text, span, hint and redact(hint)))


def _check(dataset: _Dataset, entry: DatasetEntry, recipe: Recipe) -> DatasetReport | None:
    shapes = algorithm(recipe.training.algorithm).shapes
    try:
        steps = step_tokens(recipe.settings.model_dump())
        report = check_dataset(entry, recipe.data, shapes, thinking=recipe.thinking, steps=steps)
    except DataError as error:
        severity: Severity = "note" if error.code == "D408" else "error"
        dataset.add(error.code, severity, f": {error.message}", error.setting, error.hint)
        return None
    if report is None:
        hint = "`recipe inspect` fetches it and shows its rows"
        dataset.add("D408", "note", " is not on this machine, so its rows are not checked", hint=hint)
        return None
    if report.converter is not None and report.converter.unread_thoughts is not None:
        where = report.converter.unread_thoughts
        left = "left to the chat template" if "[]" in where else "read by nothing"
        message = f": it holds thoughts in `{where}`, which are {left}: there is no thinking block"
        dataset.add("L367", "warning", message, hint=thoughts_unread.HINT)
    drop = recipe.data.invalid_rows == "drop"
    _add_invalid_rows(dataset, entry, report, drop)
    if report.bad_answers:
        message = f": {report.bad_answers} of {report.rows} rows have label: false, and {recipe.training.algorithm} "
        hint = "write algorithm: kto, which reads the label; or leave the bad answers out of the data"
        dataset.add("D417", "warning", f"{message}would learn their bad answers like the good ones", hint=hint)
    if len(report.labels) == 1:
        which = "good" if report.labels[True] else "bad"
        hint = "look at label_threshold, if these are scores; where there are only good answers, sft learns from them"
        dataset.add("D416", "warning", f": every answer is labelled {which}", "label_column", hint)
    if drop and not report.used:
        dataset.add("D406", "error", f": not one of its {report.rows} rows can be used")
    elif drop:
        read = report.rows if recipe.data.shuffle else min(report.rows, entry.max_samples or report.rows)
        try:
            demand_few_invalid(report.invalid_count, read, recipe.data)
        except DataError as error:
            dataset.add(error.code, "error", f": {error.message}", error.setting, error.hint)
    return report


def _add_invalid_rows(dataset: _Dataset, entry: DatasetEntry, report: DatasetReport, drop: bool) -> None:
    severity: Severity = "note" if drop else "error"
    for error in report.invalid:
        hint = error.hint or "mend the row; data.invalid_rows: drop would leave such rows out, and count them"
        message = f", row {error.row}: {error.message}"
        dataset.add(error.code, severity, message, _setting_of(entry, error), None if drop else hint)
    hidden = report.invalid_count - len(report.invalid)
    if hidden:
        dataset.add(
            "D405", severity, f": {report.invalid_count} of {report.rows} rows are invalid, {hidden} more than shown"
        )


def _setting_of(entry: DatasetEntry, error: RowError) -> str:
    """The key of the entry that names the column of a bad row, where there is one."""
    column = error.column.partition("[")[0]
    keys: Iterator[str] = (key for key in type(entry).model_fields if key.endswith("_column"))
    return next((key for key in keys if getattr(entry, key) == column), "name")
