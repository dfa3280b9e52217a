"""``recipe wait``: until a run has ended."""

from __future__ import annotations

import sys

import typer

from recipe_engine.cli.jobs import RunName, pipeline_named, status_of_run
from recipe_engine.cli.output import write


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command()(wait)


def wait(run: str = RunName) -> None:
    """Wait until a run or a pipeline has ended. The exit code is its own."""
    if (pipeline := pipeline_named(run)) is not None:
        from recipe_engine.pipeline.status import wait as wait_for_pipeline

        last = wait_for_pipeline(pipeline.folder) or pipeline
        write(f"{run}: {last.state}")
        sys.exit(0 if last.state == "done" else last.code or 1)
    from recipe_engine.launch.runs import wait as wait_for

    ended = wait_for(status_of_run(run).folder)
    write(f"{run}: {ended.state}")
    sys.exit(0 if ended.state == "done" else ended.code or 1)
