"""``recipe stop``: end a run's step, save, and stop it."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress

import typer

from recipe_engine.cli.common import fail
from recipe_engine.cli.jobs import RunName, status_of_run
from recipe_engine.cli.output import write


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command()(stop)


def stop(
    run: str = RunName,
    now: bool = typer.Option(False, "--now", help="Do not save first: end every process at once."),
) -> None:
    """Stop a run: it ends its step and saves a checkpoint, from which `recipe resume` goes on."""
    found = status_of_run(run)
    if found.state != "running":
        fail("T514", f"{run} is not running: {found.state}")
    from recipe_engine.launch.group import processes_of
    from recipe_engine.launch.runs import wait as wait_for

    holder = found.holder
    if holder is not None and not holder.is_here:
        fail("T514", f"{run} runs on another machine ({holder})", f"stop it on {holder.host}")
    processes = processes_of(holder.pid if holder else None, found.folder)
    if not processes:
        hint = "stop it there; or it has just ended: see `recipe status`"
        where = f": it was started on {found.host}" if found.host else ""
        fail("T514", f"no process of {run} is on this machine{where}", hint)
    for number in (signal.SIGTERM, signal.SIGTERM) if now else (signal.SIGTERM,):
        for pid in processes:
            with suppress(ProcessLookupError):
                os.kill(pid, number)
        time.sleep(0.2 if now else 0)

    ended = wait_for(found.folder)
    write(f"{run}: {ended.state}; " + (f"saved {ended.checkpoint.name}" if ended.checkpoint else "no checkpoint"))
