"""``recipe stop``: end a run's step, save, and stop it."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import typer

from recipe_engine.cli.common import fail
from recipe_engine.cli.jobs import RunName, pipeline_named, status_of_run
from recipe_engine.cli.output import write

if TYPE_CHECKING:
    from recipe_engine.launch.runs import RunStatus
    from recipe_engine.pipeline.status import PipelineStatus


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command()(stop)


def stop(
    run: str = RunName,
    now: bool = typer.Option(False, "--now", help="Do not save first: end every process at once."),
) -> None:
    """Stop a run: it ends its step and saves a checkpoint, from which `recipe resume` goes on.

    The stages of a pipeline do so too, or end after their shard.
    """
    if (pipeline := pipeline_named(run)) is not None:
        _stop_pipeline(run, pipeline, now)
        return
    from recipe_engine.launch.runs import wait as wait_for
    from recipe_engine.launch.schedulers import scheduler_of

    found = status_of_run(run)
    if found.state != "running":
        _cancel_or_fail(run, found)
        return
    if found.job is None:
        _signal(run, found, now)
    else:
        with _refusals_told():
            scheduler_of(found.job).stop(found.job, now=now)
    ended = wait_for(found.folder)
    write(f"{run}: {ended.state}; " + (f"saved {ended.checkpoint.name}" if ended.checkpoint else "no checkpoint"))


def _signal(run: str, found: RunStatus, now: bool) -> None:
    from recipe_engine.launch.group import processes_of

    holder = found.holder
    if holder is not None and not holder.is_here:
        fail("T514", f"{run} runs on another machine ({holder})", f"stop it on {holder.host}")
    processes = processes_of(holder.pid if holder else None, found.folder)
    if not processes:
        hint = "stop it there; or it has just ended: see `recipe status`"
        where = f": it was started on {found.host}" if found.host else ""
        fail("T514", f"no process of {run} is on this machine{where}", hint)
    is_launcher = holder is not None and processes == [holder.pid]
    # Told twice, a launcher ends the others at once; where none is left, each is ended.
    at_once = (signal.SIGTERM, signal.SIGTERM) if is_launcher else (signal.SIGKILL,)
    _send(processes, at_once if now else (signal.SIGTERM,))


def _send(processes: Sequence[int], numbers: Sequence[int]) -> None:
    """Send signals, each as a wish of its own. What has ended gets none."""
    from recipe_engine.launch.asked import SECOND_WISH_SECONDS

    for place, number in enumerate(numbers):
        time.sleep(SECOND_WISH_SECONDS if place else 0)
        for pid in processes:
            with suppress(ProcessLookupError):
                os.kill(pid, number)


def _cancel_or_fail(run: str, found: RunStatus) -> None:
    """A run that is not running may be queued: it was submitted, or preempted."""
    from recipe_engine.launch import jobs
    from recipe_engine.launch.schedulers import scheduler_of

    if found.job is None or not (found.state == "submitted" or scheduler_of(found.job).is_queued(found.job)):
        fail("T514", f"{run} is not running: {found.state}")
    with _refusals_told():
        scheduler_of(found.job).cancel(found.job)
    jobs.forget(found.folder / "run")
    write(f"{run}: taken out of the queue ({found.job})")


@contextmanager
def _refusals_told() -> Iterator[None]:
    from recipe_engine.launch.errors import LaunchError

    try:
        yield
    except LaunchError as error:
        fail(error.code, error.message, error.hint)


def _stop_pipeline(run: str, found: PipelineStatus, now: bool) -> None:
    from recipe_engine.pipeline.status import wait as wait_for

    if found.state != "running" or found.pid is None:
        fail("T514", f"{run} is not running: {found.state}")
    if found.host not in {"", socket.gethostname()}:
        fail("T514", f"{run} is running on {found.host}", "stop it there")
    _send([found.pid], (signal.SIGTERM, signal.SIGTERM) if now else (signal.SIGTERM,))
    ended = wait_for(found.folder) or found
    write(f"{run}: {ended.state}; {ended.complete} of {len(ended.stages)} stages are complete")
