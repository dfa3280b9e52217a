"""``recipe lint``: check recipes, and say everything that is wrong with them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from enum import StrEnum
from typing import TYPE_CHECKING

import typer

from recipe_engine import __version__
from recipe_engine.cli.common import NumNodes, with_nodes
from recipe_engine.cli.output import wants_color, write

if TYPE_CHECKING:
    from recipe_engine.diagnostics import Diagnostic


class Format(StrEnum):
    """How findings are printed."""

    TEXT = "text"
    JSON = "json"
    GITHUB = "github"
    SARIF = "sarif"


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command()(lint)


def lint(
    paths: list[str] = typer.Argument(..., metavar="PATH...", help="Recipes, or folders to search for recipes."),
    output: Format | None = typer.Option(None, "--format", help="Default: text; in GitHub Actions annotations too."),
    strict: bool = typer.Option(False, "--strict", help="Fail for warnings too. Notes never fail."),
    data: bool = typer.Option(False, "--data", help="Read the datasets that are on this machine, and check every row."),
    num_gpus: int | None = typer.Option(None, "--num-gpus", min=0, metavar="N", help="Check for this many GPUs."),
    num_nodes: NumNodes = None,
    at_least: int = typer.Option(1, "--at-least", min=1, metavar="N", help="Fail if fewer files are checked."),
) -> None:
    """Check recipes: every mistake at once, each with its place and what to write instead.

    In folders every *.yaml and *.yml file counts, at any depth, but for hidden ones, files that are clearly no recipes,
    and parents: files or folders whose name begins with _ are meant for `extends`, and checked where they are extended.

    Exit codes: 0 nothing wrong, 1 findings, 2 the command itself is wrong.
    """
    from recipe_engine.cli.files import check_paths
    from recipe_engine.diagnostics.text import counted, summary

    outcome = check_paths(paths, num_gpus, with_nodes(None, num_nodes))
    diagnostics = outcome.diagnostics
    if data:
        from recipe_engine.lint.data import check_data
        from recipe_engine.pipeline.check import CheckedPipeline
        from recipe_engine.pipeline.data import check_pipeline_data

        for checked in outcome.checked:
            diagnostics += (
                check_pipeline_data(checked) if isinstance(checked, CheckedPipeline) else check_data(checked, num_gpus)
            )
    count = len(outcome.checked)
    closing = summary(diagnostics, count) + outcome.skipped()
    fixable = sum(found.fix is not None for found in diagnostics)
    if fixable:
        closing += f"\n`recipe fix` can mend {counted(fixable, 'finding')}"
    _print(output, diagnostics, outcome.texts, count, closing)
    failing = ("error", "warning") if strict else ("error",)
    if count < at_least:
        write(f"{counted(count, 'file')} checked, and --at-least asks for {at_least}", err=True)
    if count < at_least or any(found.severity in failing for found in diagnostics):
        raise typer.Exit(1)


def _print(
    output: Format | None, diagnostics: Sequence[Diagnostic], texts: dict[str, str], count: int, closing: str
) -> None:
    in_actions = os.environ.get("GITHUB_ACTIONS") == "true"
    root = os.environ.get("GITHUB_WORKSPACE") or "."
    if output is Format.JSON:
        from recipe_engine.diagnostics.json_format import render_json

        write(render_json(diagnostics, count))
    elif output is Format.SARIF:
        from recipe_engine.cli.codes import rule_help
        from recipe_engine.diagnostics.sarif import render_sarif

        write(render_sarif(diagnostics, rule_help(), __version__, root))
    elif output is Format.GITHUB:
        _print_annotations(diagnostics, root)
    else:
        from recipe_engine.diagnostics.text import render_text

        text = render_text(diagnostics, texts, color=wants_color())
        _print_inert(f"{text}\n\n{closing}" if text else closing, in_actions)
        if output is None and in_actions:
            _print_annotations(diagnostics, root)
    if output not in (None, Format.TEXT):
        write(closing, err=True)


def _print_annotations(diagnostics: Sequence[Diagnostic], root: str) -> None:
    from recipe_engine.diagnostics.github import render_github

    if diagnostics:
        write(render_github(diagnostics, root))


def _print_inert(text: str, in_actions: bool) -> None:
    """Print text that quotes recipes, so that GitHub obeys no commands in it, such as a file named ``::error::``."""
    if not in_actions:
        write(text)
        return
    token = os.urandom(16).hex()
    write(f"::stop-commands::{token}\n{text}\n::{token}::")
