"""``recipe inspect``: the rows as they are trained on."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

import typer

from recipe_engine.cli.common import Overrides, check_or_exit, fail


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command()(inspect)


def inspect(
    file: Path = typer.Argument(..., metavar="FILE", help="The recipe (YAML)."),
    overrides: Overrides = None,
    rows: int = typer.Option(3, "--rows", min=0, help="How many rows of each dataset to show."),
    trust_remote_code: bool = typer.Option(
        False, "--trust-remote-code", help="Run code that ships with a tokenizer, at the revision that the recipe pins."
    ),
) -> None:
    """Show rendered rows with the trained tokens marked, lengths as a histogram, and what is dropped."""
    checked = check_or_exit(file, overrides or [], None)
    if find_spec("transformers") is None:
        from recipe_engine.launch.errors import install_hint

        message = "inspect renders rows with the model's tokenizer, and transformers is not installed"
        fail("T510", message, install_hint("train"))

    from recipe_engine.compile import Options, compile_recipe
    from recipe_engine.launch.command import COMPILED, safe_path
    from recipe_engine.launch.preflight import remote_code_not_allowed

    run = compile_recipe(checked.recipe, checked.document, Options()).run
    if run.model.trust_remote_code and not trust_remote_code:
        refused = remote_code_not_allowed(run, "inspecting")
        fail(refused.code, refused.message, refused.hint)
    with TemporaryDirectory() as folder:
        compiled = Path(folder, COMPILED)
        compiled.write_text(run.model_copy(update={"run_dir": folder}).model_dump_json(), encoding="utf-8")
        command = [sys.executable, "-m", "recipe_engine.runtime", "inspect", str(compiled), str(rows)]
        code = subprocess.run(command, env={**os.environ, **safe_path()}, check=False).returncode
    raise typer.Exit(code if code >= 0 else 128 - code)
