"""What several verbs share."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from recipe_engine.cli.output import wants_color, write

if TYPE_CHECKING:
    from recipe_engine.recipe.root import Recipe
    from recipe_engine.source import Document

EXIT_FINDINGS = 1

Overrides = Annotated[list[str] | None, typer.Argument(metavar="[KEY=VALUE]...", help="Overrides of the recipe.")]
NumNodes = Annotated[
    int | None,
    typer.Option("--num-nodes", min=1, max=4096, metavar="N", help="Machines; else as many as the recipe says."),
]
NodeRank = Annotated[
    int | None, typer.Option("--node-rank", metavar="R", help="Which of several machines this is; 0 is the first.")
]
Rendezvous = Annotated[
    str | None,
    typer.Option("--rendezvous", metavar="HOST:PORT", help="Where several machines meet: at the first one."),
]


@dataclass(frozen=True, slots=True)
class CheckedRecipe:
    """A recipe without errors, and the document it was read from."""

    recipe: Recipe
    document: Document


def with_nodes(overrides: list[str] | None, num_nodes: int | None) -> list[str]:
    """The overrides, with what ``--num-nodes`` says: it is a value of the recipe like any other."""
    return [*(overrides or []), *([] if num_nodes is None else [f"launch.nodes={num_nodes}"])]


def check_or_exit(file: Path, overrides: list[str], gpus: int | None) -> CheckedRecipe:
    """Check a recipe; print what was found to standard error, and exit with 1 where that holds an error."""
    from recipe_engine.diagnostics.text import render_text
    from recipe_engine.lint import check

    checked = check(file, overrides, gpus)
    if checked.document is not None and "stages" in checked.document.tree:
        fail("P206", f"{file} is a pipeline", "`recipe run` runs it, `recipe plan` and `recipe lint` take it too")
    if checked.diagnostics:
        color = sys.stderr.isatty() and wants_color()
        write(render_text(checked.diagnostics, checked.texts, color=color), err=True)
    if checked.recipe is None or checked.document is None:
        raise typer.Exit(EXIT_FINDINGS)
    return CheckedRecipe(checked.recipe, checked.document)


def fail(code: str, message: str, hint: str | None = None, lines: Iterable[str] = ()) -> NoReturn:
    """Print an error as lint would, and exit with 1. ``lines`` are what the message goes on to list, one a line."""
    from recipe_engine.diagnostics.visible import visible

    write(f"error[{code}]: {visible(message)}", err=True)
    for line in lines:
        write(f"    {visible(line)}", err=True)
    if hint:
        write(f"  = help: {visible(hint)}", err=True)
    raise typer.Exit(EXIT_FINDINGS)
