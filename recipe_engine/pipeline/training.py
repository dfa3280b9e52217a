"""The recipe of a train stage: a file's or the stage's own, with what the stage puts over it."""

from __future__ import annotations

import copy
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from recipe_engine.diagnostics import Diagnostic, Related
from recipe_engine.lint.report import Report, dotted, shown
from recipe_engine.lint.secrets import mask_secrets, report_secrets
from recipe_engine.recipe.stages.train import TrainStage
from recipe_engine.source import Document, Mark, Path, load

GIVEN_BY_PIPELINE = ("output_dir", "run_name", "overwrite_output_dir", "resume", "resume_changes")
"""Keys of ``training`` that say where a run lives: in a pipeline that is the stage's folder."""

_STEP = re.compile(r"(?:^|\.)([^\s.\[\]]+)|\[([0-9]{1,9})\]")


@dataclass(frozen=True, slots=True)
class TrainRecipe:
    """A recipe as a train stage gives it. ``$names`` stand in it as they were written."""

    document: Document
    own: bool
    """Whether it stands in the pipeline's file."""
    original: Document
    """The same before the stage laid anything over it."""


def recipe_of(stage: TrainStage, path: Path, report: Report, thinking: Any) -> TrainRecipe | None:
    """The recipe of the stage at ``path``; none, with findings, where its file cannot be read.

    ``thinking`` is the pipeline's block as it stands in the file, which a recipe without one is given.
    """
    base = _from_file(stage.recipe, path, report) if isinstance(stage.recipe, str) else _inline(path, report.document)
    if base is None:
        return None
    own = not isinstance(stage.recipe, str)
    original = Document(base.file, copy.deepcopy(base.tree), dict(base.marks), base.texts, base.unreadable)
    _report_twice(stage, path, base, own, report)
    if own:
        _report_given(report, (*path, "recipe", "training"), _mapping(base.tree.get("training")))
    if thinking is not None and "thinking" not in base.tree:
        _lay_over(base, ("thinking",), thinking, report.document, ("thinking",))
    for name in stage.overrides:
        _override(base, name, path, report)
    for key, place in _SHORT.items():
        given = getattr(stage, key)
        if given is not None:
            value = given if key == "model" else [{"name": given}]
            _lay_over(base, place, value, report.document, (*path, key))
    return TrainRecipe(base, own, original)


_SHORT: dict[str, Path] = {
    "model": ("model", "base_model_name"),
    "rows": ("data", "datasets"),
    "eval_rows": ("data", "eval_datasets"),
}
"""What a stage's own keys are short for."""


def _report_twice(stage: TrainStage, path: Path, base: Document, own: bool, report: Report) -> None:
    """Report what the stage itself replaces: one of the two would be without effect. A recipe's file is made to be
    trained by itself too, so there it is meant."""
    for key, (block, name) in _SHORT.items():
        if getattr(stage, key) is None:
            continue
        said = f"`{key}` of the stage says it too"
        hint = f"remove this, or `{key}`"
        if own and _mapping(base.tree.get(str(block))).get(str(name)) is not None:
            place = (*path, "recipe", block, name)
            report.add("P129", "error", place, f"{block}.{name} is given twice: {said}", at_key=True, hint=hint)
        for override in stage.overrides:
            steps = _steps(override) or ()
            if steps[:2] == (block, name) or steps == (block,):
                message = f"{override} is without effect: {said}"
                report.add("P129", "error", (*path, "overrides", override), message, at_key=True, hint=hint)


def with_tree(document: Document, tree: dict[str, Any]) -> Document:
    """The same document with another tree, that may be changed: reading a recipe moves old keys to new ones."""
    return Document(document.file, tree, dict(document.marks), document.texts, document.unreadable)


def _from_file(name: str, path: Path, report: Report) -> Document | None:
    file = os.path.normpath(os.path.join(os.path.dirname(report.document.file), os.path.expanduser(name)))
    texts: dict[str, str] = {}
    document, found = load(file, texts=texts)
    report.document.texts.update({key: text for key, text in texts.items() if key not in report.document.texts})
    for one in mask_secrets(found, texts):
        report.diagnostics.append(_beside_its_name(one, path, report))
    if document is None:
        return None
    if "stages" in document.tree:
        report.add(
            "P117", "error", (*path, "recipe"), f"{shown(name)} is a pipeline, and a train stage trains a recipe"
        )
        return None
    inner = Report(document)
    report_secrets(inner)
    report.diagnostics += inner.diagnostics
    return document


def _beside_its_name(found: Diagnostic, path: Path, report: Report) -> Diagnostic:
    """What is wrong with a file as a whole is said where the pipeline names it."""
    span = report.document.value_span((*path, "recipe"))
    if found.code in {"S101", "S102", "S103"}:
        hint = found.hint or "its path counts from the pipeline's file"
        return Diagnostic("P117", "error", f"the recipe cannot be read: {found.message}", span, hint)
    return Diagnostic(
        found.code,
        found.severity,
        found.message,
        found.span,
        found.hint,
        found.fix,
        (*found.related, Related(span, "trained here")),
    )


def _inline(path: Path, document: Document) -> Document:
    start = (*path, "recipe")
    tree: Any = document.tree
    for part in start:
        tree = tree[part]
    marks = {place[len(start) :]: mark for place, mark in document.marks.items() if place[: len(start)] == start}
    unreadable = frozenset(place[len(start) :] for place in document.unreadable if place[: len(start)] == start)
    return Document(document.file, copy.deepcopy(tree), marks, document.texts, unreadable)


def _override(base: Document, name: str, path: Path, report: Report) -> None:
    place = (*path, "overrides", name)
    steps = _steps(name)
    if steps is None:
        hint = "write training.learning_rate or data.datasets[0].name"
        report.add("P118", "error", place, f"`{name}` is no dotted name of a setting", at_key=True, hint=hint)
        return
    if steps[0] == "training" and len(steps) > 1:
        _report_given(report, (*path, "overrides"), {str(steps[1]): None} if len(steps) == 2 else {}, name)
    tree: Any = report.document.tree
    for part in place:
        tree = tree[part]
    if not _lay_over(base, steps, tree, report.document, place):
        report.add(
            "P118", "error", place, f"the recipe has no place {dotted(steps)}", at_key=True, hint="correct the path"
        )


def _steps(name: str) -> Path | None:
    found: list[str | int] = []
    at = 0
    while at < len(name):
        match = _STEP.match(name, at)
        if match is None:
            return None
        found.append(match[1] if match[1] is not None else int(match[2]))
        at = match.end()
    return tuple(found) if found and isinstance(found[0], str) else None


def _report_given(report: Report, path: Path, training: Mapping[str, Any], override: str | None = None) -> None:
    for key in GIVEN_BY_PIPELINE:
        if key in training:
            message = f"training.{key} is the pipeline's to say: a stage trains into its own folder"
            report.add("P116", "error", (*path, override or key), message, at_key=True, hint="remove it")


def _lay_over(base: Document, path: Path, value: Any, source: Document, place: Path) -> bool:
    """Set what stands at ``path`` in a recipe to what stands at ``place`` in the pipeline. Returns whether there is
    such a place."""
    tree: Any = base.tree
    mark = Mark(source.value_span(place), source.key_span(place), source.marks[place].origin)
    for depth, part in enumerate(path[:-1]):
        if isinstance(tree, list) and isinstance(part, int) and part < len(tree):
            tree = tree[part]
        elif isinstance(tree, dict) and isinstance(part, str):
            if tree.get(part) is None:
                tree[part] = {}
            base.marks.setdefault(path[: depth + 1], mark)
            tree = tree[part]
        else:
            return False
    last = path[-1]
    if isinstance(tree, list):
        if not isinstance(last, int) or last >= len(tree):
            return False
        tree[last] = copy.deepcopy(value)
    elif isinstance(tree, dict) and isinstance(last, str):
        tree[last] = copy.deepcopy(value)
    else:
        return False
    for inner in [one for one in base.marks if one[: len(path)] == path]:
        del base.marks[inner]
    base.marks[path] = mark
    for inner in _paths(value):
        base.marks[(*path, *inner)] = source.marks.get((*place, *inner), mark)
    return True


def _paths(value: Any) -> list[Path]:
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path for key, inner in entries for path in [(key,), *((key, *rest) for rest in _paths(inner))]]


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
