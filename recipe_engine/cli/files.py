"""From the paths of a command line to checked files."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import typer

from recipe_engine.diagnostics import Diagnostic
from recipe_engine.diagnostics.text import counted
from recipe_engine.diagnostics.visible import visible
from recipe_engine.lint import Checked, check
from recipe_engine.lint.foreign import is_foreign

SUFFIXES = (".yaml", ".yml")
PARENT_PREFIX = "_"
_MOST_NAMES = 3


@dataclass(frozen=True)
class Outcome:
    """The files checked, and those found in folders and left out."""

    checked: list[Checked] = field(default_factory=list)
    parents: list[str] = field(default_factory=list)
    """Parts of other recipes: their name, or a folder's, begins with ``_``."""
    foreign: list[str] = field(default_factory=list)
    """YAML files of other programs."""

    @cached_property
    def diagnostics(self) -> list[Diagnostic]:
        """Everything found, by file. What is wrong in a parent is said once, however many recipes extend it."""
        found = (diagnostic for checked in self.checked for diagnostic in checked.diagnostics)
        unique: dict[object, Diagnostic] = {}
        for one in found:
            unique.setdefault((one.code, one.span, one.message), one)
        return list(unique.values())

    @cached_property
    def texts(self) -> dict[str, str]:
        """The text of every file read."""
        return {name: text for checked in self.checked for name, text in checked.texts.items()}

    def skipped(self) -> str:
        """What was left out, to go on a sentence with; empty if nothing was."""
        groups = ((self.parents, "as parents for extends"), (self.foreign, "as no recipes"))
        parts = [f"; {counted(len(names), 'file')} skipped {why} ({_listed(names)})" for names, why in groups if names]
        return "".join(parts)


def check_paths(paths: Sequence[str], gpus: int | None = None, overrides: Sequence[str] = ()) -> Outcome:
    """Check every file that is named, and the recipes in every folder that is named.

    In a folder, at any depth, every YAML file is a recipe but for hidden ones, parents and what is clearly another
    program's file. Links to folders are not followed.

    Raises:
        typer.BadParameter: a folder holds no recipe or cannot be read.
    """
    outcome = Outcome()
    named = {os.path.normpath(path) for path in paths if not os.path.isdir(path)}
    is_recipe: dict[str, bool] = {}
    for path in paths:
        folder = os.path.isdir(path)
        files = _yaml_files(path) if folder else [path]
        for file in files:
            key = os.path.normpath(file)
            if key not in is_recipe:
                is_recipe[key] = _take(outcome, file, None if key in named else path, gpus, overrides)
        if folder and not any(is_recipe[os.path.normpath(file)] for file in files):
            raise typer.BadParameter(f"there is no recipe in {visible(path)}{outcome.skipped()}", param_hint="PATH")
    return outcome


def _take(outcome: Outcome, file: str, folder: str | None, gpus: int | None, overrides: Sequence[str]) -> bool:
    """Check a file, unless it was found in ``folder`` and is no recipe; tell whether it is one."""
    if folder is not None and _is_parent(os.path.relpath(file, folder)):
        outcome.parents.append(file)
        return False
    checked = check_file(file, gpus, overrides)
    if folder is not None and is_foreign(checked):
        outcome.foreign.append(file)
        return False
    outcome.checked.append(checked)
    return True


def check_file(file: str, gpus: int | None = None, overrides: Sequence[str] = ()) -> Checked:
    """Check a recipe, or a pipeline: a file with the key ``stages``."""
    checked = check(file, overrides, gpus)
    if checked.document is None or "stages" not in checked.document.tree:
        return checked
    from recipe_engine.pipeline.check import check_pipeline

    return check_pipeline(file, overrides, gpus=gpus)


def _is_parent(path: str) -> bool:
    return any(part.startswith(PARENT_PREFIX) for part in path.split(os.sep))


def _yaml_files(folder: str) -> list[str]:
    return [file for file in _files(folder) if file.lower().endswith(SUFFIXES)]


def _files(folder: str) -> Iterator[str]:
    """Every file below a folder that is not hidden, in order of the names."""
    for parent, folders, names in os.walk(folder, onerror=_unreadable):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            if not name.startswith("."):
                yield os.path.normpath(os.path.join(parent, name))


def _unreadable(error: OSError) -> None:
    name = visible(os.fsdecode(error.filename))
    raise typer.BadParameter(f"the folder {name} cannot be read: {error.strerror}", param_hint="PATH") from error


def _listed(names: list[str]) -> str:
    shown = [visible(name) for name in names[:_MOST_NAMES]]
    return ", ".join([*shown, "..."] if len(names) > _MOST_NAMES else shown)
