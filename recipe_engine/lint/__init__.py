"""Checking a recipe: its shape, then the rules that look across its blocks. Needs no torch."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from recipe_engine.diagnostics import Diagnostic
from recipe_engine.lint.allow import unused_allowances, without_allowed
from recipe_engine.lint.reader import read_recipe
from recipe_engine.lint.report import Report
from recipe_engine.lint.rule import Context
from recipe_engine.lint.rules import RULES
from recipe_engine.lint.secrets import mask_secrets, report_secrets
from recipe_engine.recipe.root import Recipe
from recipe_engine.source import Document, load


@dataclass(frozen=True, slots=True)
class Checked:
    """The outcome of checking one file: the recipe, if it has no errors, and everything found, sorted by place."""

    file: str
    document: Document | None
    recipe: Recipe | None
    diagnostics: tuple[Diagnostic, ...]
    texts: dict[str, str]
    """The text of every file read, by the name that spans carry: also where there is no document."""

    @property
    def has_errors(self) -> bool:
        return any(found.severity == "error" for found in self.diagnostics)


def check(file: str | os.PathLike[str], overrides: Sequence[str] = (), gpus: int | None = None) -> Checked:
    """Check one recipe. Never raises for what the file holds: every mistake is a diagnostic."""
    texts: dict[str, str] = {}
    document, found = load(file, overrides, texts=texts)
    found = mask_secrets(found, texts)
    if document is None:
        return Checked(os.fspath(file), None, None, in_order(found), texts)
    report = Report(document, list(found))
    report_secrets(report)
    recipe = examine(report, gpus)
    complete = None if report.has_errors else recipe
    kept = without_allowed(report.diagnostics, texts)
    if recipe is not None and document.file in texts:  # else the rules did not run, and nothing can be said of them
        kept.extend(unused_allowances(report.diagnostics, document.file, texts[document.file]))
    return Checked(os.fspath(file), document, complete, in_order(kept), texts)


def examine(report: Report, gpus: int | None) -> Recipe | None:
    """Read the recipe of a report's document and apply the rules to it; none where its shape is wrong."""
    recipe = read_recipe(report)
    if recipe is not None:
        _apply_rules(report, Context(recipe, report.document, gpus))
    return recipe


def _apply_rules(report: Report, context: Context) -> None:
    for rule in RULES:
        for found in rule.check(context):
            report.add(
                rule.code,
                found.severity or rule.severity,
                found.path,
                found.message,
                at_key=found.at_key,
                hint=found.hint,
                fix=found.fix,
            )


def in_order(found: Iterable[Diagnostic]) -> tuple[Diagnostic, ...]:
    """Findings by their place, each once."""
    return tuple(sorted(set(found), key=lambda d: (d.span, d.code, d.message)))
