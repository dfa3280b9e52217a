"""``recipe logs``: the end of a run's log, and what is added to it."""

from __future__ import annotations

import sys
import time

import typer

from recipe_engine.cli.common import fail
from recipe_engine.cli.jobs import RunName, pipeline_named, status_of_run


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command()(logs)


def logs(
    run: str = RunName,
    follow: bool = typer.Option(False, "--follow", "-f", help="Go on showing what is written until the run ends."),
    stage: str | None = typer.Option(None, "--stage", metavar="KEY", help="Of a pipeline: one stage's, raft/0000/sft."),
    lines: int = typer.Option(40, "--lines", "-n", min=0, help="How many of the last lines are shown."),
) -> None:
    """Show the end of the log of a run, of a pipeline, or of one of its stages."""
    found = pipeline_named(run)
    if found is None:
        if stage is not None:
            fail("T513", f"{run} is no pipeline, so it has no stages")
        log = status_of_run(run).log
    else:
        from recipe_engine.pipeline.status import log_of

        if stage is not None and not any(one.key == stage.strip("/") for one in found.stages):
            from recipe_engine.diagnostics.spelling import nearest

            keys = [one.key for one in found.stages]
            close = nearest(stage, keys)
            hint = (
                f"did you mean {close}?" if close else f"it has {', '.join(keys[:8])}{', ...' if len(keys) > 8 else ''}"
            )
            fail("T513", f"{run} has no stage {stage}", hint)
        log = log_of(found, stage)
    if log is None or not log.is_file():
        if stage is not None:
            fail("T513", f"the stage {stage} of {run} has no log yet: it has not run, or was removed")
        fail("T513", f"{run} has no log yet, or it was removed")
    with log.open(encoding="utf-8", errors="replace") as stream:
        sys.stdout.write("".join(stream.readlines()[-lines:] if lines else []))
        while follow:
            more = stream.read()
            sys.stdout.write(more)
            sys.stdout.flush()
            if not more:
                if (pipeline_named(run) or status_of_run(run)).state != "running":
                    sys.stdout.write(stream.read())
                    return
                time.sleep(0.3)
