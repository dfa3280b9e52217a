"""What several verbs share."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from recipe_engine.diagnostics import Diagnostic
from recipe_engine.recipe.root import Recipe
from recipe_engine.source import Document

EXIT_FINDINGS = 1
EXIT_USAGE = 2

Overrides = Annotated[list[str] | None, typer.Argument(metavar="[KEY=VALUE]...", help="Overrides of the recipe.")]


@dataclass(frozen=True, slots=True)
class CheckedRecipe:
    """A recipe without errors, and the document it was read from."""

    recipe: Recipe
    document: Document
    diagnostics: tuple[Diagnostic, ...]


def check_or_exit(file: Path, overrides: list[str], gpus: int | None) -> CheckedRecipe:
    """Check a recipe; print what was found, and exit with 1 where that holds an error."""
    from recipe_engine.diagnostics.text import render_text
    from recipe_engine.lint import check

    checked = check(file, overrides, gpus)
    if checked.diagnostics:
        texts = checked.document.texts if checked.document else {}
        typer.echo(render_text(checked.diagnostics, texts), err=True)
    if checked.recipe is None or checked.document is None:
        raise typer.Exit(EXIT_FINDINGS)
    return CheckedRecipe(checked.recipe, checked.document, checked.diagnostics)


def show(text: str) -> None:
    """Print a line for the user."""
    typer.echo(text)


def fail(code: str, message: str, hint: str | None = None) -> NoReturn:
    """Print an error as lint would, and exit with 1."""
    typer.echo(f"error[{code}]: {message}", err=True)
    if hint:
        typer.echo(f"  = help: {hint}", err=True)
    raise typer.Exit(EXIT_FINDINGS)
