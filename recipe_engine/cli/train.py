"""``recipe train``: check, compile, check this machine, train."""

from __future__ import annotations

import sys
from pathlib import Path

import typer

from recipe_engine.cli.common import Overrides, check_or_exit, fail, show


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command(context_settings={"ignore_unknown_options": False})(train)


def train(
    overrides: Overrides = None,
    config: Path = typer.Option(..., "--config", metavar="CONFIG_FILE", help="The recipe (YAML)."),
    num_gpus: int = typer.Option(..., "--num-gpus", min=0, metavar="NUM_GPUS", help="GPUs to use; 0 is the CPU."),
    nohup: bool = typer.Option(False, "--nohup", help="Run in the background; the shell may be closed."),
    dry_run: bool = typer.Option(False, "--dry-run", help="Show what would run, like `recipe plan`, and stop."),
    allow_reward_code: bool = typer.Option(
        False, "--allow-reward-code", help="Run reward functions from Python files beside the recipe."
    ),
    trust_remote_code: bool = typer.Option(
        False, "--trust-remote-code", help="Run code that ships with a model, at the revision that the recipe pins."
    ),
) -> None:
    """Train a recipe. Overrides are `key=value`, such as training.learning_rate=1e-5."""
    checked = check_or_exit(config, overrides or [], num_gpus)

    from recipe_engine.compile import Options, compile_recipe

    options = Options(num_gpus, allow_reward_code, trust_remote_code)
    compilation = compile_recipe(checked.recipe, checked.document, options)
    if dry_run:
        from recipe_engine.cli.plan import show_plan

        show_plan(checked, compilation, as_json=False)
        return

    from recipe_engine.data.errors import DataError
    from recipe_engine.launch.errors import LaunchError
    from recipe_engine.launch.preflight import preflight
    from recipe_engine.launch.run_folder import write_run_folder

    run = compilation.run
    try:
        preflight(run, checked.recipe.training.overwrite_output_dir)
    except (LaunchError, DataError) as error:
        fail(error.code, error.message, error.hint)

    from recipe_engine.launch.run import log_path, run_to_end

    log = log_path(run)
    compiled = write_run_folder(run, checked.document.texts)
    if nohup:
        _train_in_background(compiled, log)
        return
    device = "the CPU" if run.gpus == 0 else f"{run.gpus} GPU{'s' if run.gpus > 1 else ''}"
    show(f"{run.run_name}: {run.algorithm} of {run.model.base_model_name} on {device}; log {log}")
    sys.exit(run_to_end(run, log))


def _train_in_background(compiled: Path, log: Path) -> None:
    from recipe_engine.launch.background import FIRST_SECONDS, start_in_background
    from recipe_engine.launch.run import shorten

    started = start_in_background(compiled, log)
    if started.exit_code is not None and started.exit_code != 0:
        typer.echo("\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-20:]), err=True)
        fail("T509", f"the run ended within {FIRST_SECONDS:.0f} s, with exit code {started.exit_code}", f"log: {log}")
    show(f"running in the background: process {started.pid}")
    show(f"  log      {shorten(log)}")
    show(f"  PID file {shorten(started.pid_file)}")
    show(f"  follow   tail -f {shorten(log)}")
    show(f"  stop     kill {started.pid}")
