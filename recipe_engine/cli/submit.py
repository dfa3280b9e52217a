"""``recipe submit``: check a recipe here, and have Slurm or Ray train it."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from recipe_engine.cli.common import NumNodes, Overrides, check_or_exit, fail, with_nodes
from recipe_engine.cli.output import write

if TYPE_CHECKING:
    from recipe_engine.compiled import CompiledRun
    from recipe_engine.launch.submission import Request


class Scheduler(StrEnum):
    """Who starts the run."""

    SLURM = "slurm"
    RAY = "ray"


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command()(submit)


def submit(
    overrides: Overrides = None,
    config: Path = typer.Option(..., "--config", metavar="CONFIG_FILE", help="The recipe (YAML)."),
    on: Scheduler = typer.Option(..., "--on", help="Who starts the run."),
    num_gpus: int = typer.Option(
        ..., "--num-gpus", min=0, metavar="NUM_GPUS", help="GPUs of each machine; 0: the CPU."
    ),
    num_nodes: NumNodes = None,
    cpus: int | None = typer.Option(
        None, "--cpus", min=1, metavar="N", help="CPU cores of each machine; a CPU run: else one a process."
    ),
    time: str | None = typer.Option(
        None, "--time", metavar="LIMIT", help="Slurm: time limit, as in 30, 8:00:00, 2-0; 0 is none."
    ),
    partition: str | None = typer.Option(None, "--partition", help="Slurm: partition."),
    account: str | None = typer.Option(None, "--account", help="Slurm: account."),
    mem: str | None = typer.Option(None, "--mem", metavar="SIZE", help="Slurm: memory of each machine, as in 200G."),
    sbatch: list[str] = typer.Option([], "--sbatch", metavar="KEY[=VALUE]", help="Slurm: any other option of sbatch."),
    address: str | None = typer.Option(
        None, "--address", metavar="URL", help="Ray: where jobs are submitted, as in http://head:8265. Or RAY_ADDRESS."
    ),
    dry_run: bool = typer.Option(False, "--dry-run", help="Show what would be submitted, and stop."),
    allow_reward_code: bool = typer.Option(
        False, "--allow-reward-code", help="Run reward functions from Python files beside the recipe."
    ),
    trust_remote_code: bool = typer.Option(
        False, "--trust-remote-code", help="Run code that ships with a model, at the revision that the recipe pins."
    ),
) -> None:
    """Check a recipe, and submit it to Slurm or Ray, which trains it on one machine or several.

    The job begins in the current folder, which all machines must share. `recipe status`, `logs`, `stop` and `resume`
    know it as any other run.

    Exit codes: 0 submitted, 1 the recipe will not do, or the scheduler did not take it.
    """
    from recipe_engine.launch.errors import LaunchError

    every = with_nodes(overrides, num_nodes)
    checked = check_or_exit(config, every, num_gpus)

    from recipe_engine.compile import Options, compile_recipe

    options = Options(num_gpus, allow_reward_code=allow_reward_code, allow_remote_code=trust_remote_code)
    run = compile_recipe(checked.recipe, checked.document, options).run
    given = {"time": time, "partition": partition, "account": account, "mem": mem, "sbatch": sbatch}
    strange = [name for name, value in given.items() if value not in (None, []) and on is not Scheduler.SLURM]
    strange += ["address"] if address is not None and on is not Scheduler.RAY else []
    if strange:
        fail("T516", f"--{strange[0]} says nothing to {on}", "leave it out")
    try:
        if on is Scheduler.SLURM:
            from recipe_engine.launch.slurm import Resources, is_unlimited, request

            found = request(run, config, every, Resources(time, partition, account, mem, cpus, tuple(sbatch)))
            if time is not None and is_unlimited(time):
                write(f"--time {time}: Slurm takes that for no time limit", err=True)
        else:
            from recipe_engine.launch.ray import request as ray_request

            found = ray_request(run, config, every, cpus, address)
        _show_or_submit(run, found, checked.recipe.training.overwrite_output_dir, dry_run=dry_run)
    except LaunchError as error:
        fail(error.code, error.message, error.hint, error.lines)


def _show_or_submit(run: CompiledRun, request: Request, overwrite: bool, *, dry_run: bool) -> None:
    from recipe_engine.cli.train import refuse_taken_folder
    from recipe_engine.data.errors import DataError
    from recipe_engine.launch.paths import shorten
    from recipe_engine.launch.submission import hand_over

    if dry_run:
        refuse_taken_folder(run, overwrite)
        write(request.text.rstrip())
        return
    try:
        done = hand_over(run, request, overwrite)
    except DataError as error:
        fail(error.code, error.message, error.hint)
    except OSError as error:
        fail("T503", f"{error.filename or run.output_dir}: {error.strerror}", "choose another training.output_dir")
    write(f"{run.run_name}: submitted as {done.job}")
    write(f"  script   {shorten(done.script)}")
    write(f"  log      {shorten(done.log)} (until the run has one of its own)")
    write(f"  stop     recipe stop {shorten(run.output_dir)}")
