"""``recipe logs``: the end of a run's log, and what is added to it."""

from __future__ import annotations

import sys
import time

import typer

from recipe_engine.cli.common import fail
from recipe_engine.cli.jobs import RunName, status_of_run


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command()(logs)


def logs(
    run: str = RunName,
    follow: bool = typer.Option(False, "--follow", "-f", help="Go on showing what is written until the run ends."),
    lines: int = typer.Option(40, "--lines", "-n", min=0, help="How many of the last lines are shown."),
) -> None:
    """Show the end of a run's log."""
    found = status_of_run(run)
    if found.log is None or not found.log.is_file():
        fail("T513", f"{run} has no log yet, or it was removed")
    with found.log.open(encoding="utf-8", errors="replace") as stream:
        sys.stdout.write("".join(stream.readlines()[-lines:] if lines else []))
        while follow:
            more = stream.read()
            sys.stdout.write(more)
            sys.stdout.flush()
            if not more:
                if status_of_run(run).state != "running":
                    sys.stdout.write(stream.read())
                    return
                time.sleep(0.3)
