"""``recipe wait``: until a run has ended."""

from __future__ import annotations

import sys

import typer

from recipe_engine.cli.jobs import RunName, status_of_run
from recipe_engine.cli.output import write


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command()(wait)


def wait(run: str = RunName) -> None:
    """Wait until a run has ended. The exit code is the run's."""
    from recipe_engine.launch.runs import wait as wait_for

    ended = wait_for(status_of_run(run).folder)
    write(f"{run}: {ended.state}")
    sys.exit(0 if ended.state == "done" else ended.code or 1)
