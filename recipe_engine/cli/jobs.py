"""``recipe status``, ``logs``, ``stop``, ``wait`` and ``resume``: runs, from any shell, by their folders alone."""

from __future__ import annotations

import os
import signal
import sys
import time
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from recipe_engine.cli.common import fail
from recipe_engine.cli.output import write

if TYPE_CHECKING:
    from recipe_engine.launch.runs import RunStatus

RunName = typer.Argument(..., metavar="RUN", help="The run's output folder, or its name under models/.")

_COLUMNS = ("run", "state", "step", "loss", "s/step", "left", "GPU GiB", "checkpoint")


def register(app: typer.Typer) -> None:
    """Add the verbs."""
    for verb in (status, logs, stop, wait, resume):
        app.command()(verb)


def status(
    folder: Path = typer.Option(Path("models"), "--folder", help="Folder whose runs are listed."),
    as_json: bool = typer.Option(False, "--json", help="As JSON, one object a run."),
) -> None:
    """List the runs under models/: state, step, loss, pace, time left, memory, newest whole checkpoint."""
    from recipe_engine.launch.runs import runs_under

    found = runs_under(folder)
    if as_json:
        import json

        write(json.dumps([_as_data(one) for one in found], indent=1, ensure_ascii=False))
    elif not found:
        write(f"no run under {folder}")
    else:
        rows = [_COLUMNS, *(_row(one) for one in found)]
        widths = [max(len(row[index]) for row in rows) for index in range(len(_COLUMNS))]
        for row in rows:
            write("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def logs(
    run: str = RunName,
    follow: bool = typer.Option(False, "--follow", "-f", help="Go on showing what is written until the run ends."),
    lines: int = typer.Option(40, "--lines", "-n", min=0, help="How many of the last lines are shown."),
) -> None:
    """Show the end of a run's log."""
    found = _status(run)
    if found.log is None or not found.log.is_file():
        fail("T513", f"{run} has no log yet, or it was removed")
    with found.log.open(encoding="utf-8", errors="replace") as stream:
        sys.stdout.write("".join(stream.readlines()[-lines:] if lines else []))
        while follow:
            more = stream.read()
            sys.stdout.write(more)
            sys.stdout.flush()
            if not more:
                if _status(run).state != "running":
                    sys.stdout.write(stream.read())
                    return
                time.sleep(0.3)


def stop(
    run: str = RunName,
    now: bool = typer.Option(False, "--now", help="Do not save first: end every process at once."),
) -> None:
    """Stop a run: it ends its step and saves a checkpoint, from which `recipe resume` goes on."""
    found = _status(run)
    if found.state != "running":
        fail("T514", f"{run} is not running: {found.state}")
    if not found.pid:
        fail("T514", f"the process of {run} is not known: it does not lie on this machine")
    numbers = (signal.SIGTERM, signal.SIGTERM) if now else (signal.SIGTERM,)
    try:
        for number in numbers:
            os.kill(found.pid, number)
            time.sleep(0.2 if now else 0)
    except ProcessLookupError:
        fail("T514", f"process {found.pid} of {run} is on another machine, or has just ended")
    from recipe_engine.launch.runs import wait as wait_for

    ended = wait_for(found.folder)
    write(f"{run}: {ended.state}; " + (f"saved {ended.checkpoint.name}" if ended.checkpoint else "no checkpoint"))


def wait(run: str = RunName) -> None:
    """Wait until a run has ended. The exit code is the run's."""
    from recipe_engine.launch.runs import wait as wait_for

    ended = wait_for(_status(run).folder)
    write(f"{run}: {ended.state}")
    sys.exit(0 if ended.state == "done" else ended.code or 1)


def resume(
    run: str = RunName,
    nohup: bool = typer.Option(False, "--nohup", help="Run in the background; the shell may be closed."),
) -> None:
    """Go on with a run from its newest whole checkpoint, exactly as it was compiled."""
    from recipe_engine.cli.train import start

    found = _status(run)
    if found.state in {"running", "done"}:
        fail("T514", f"{run} cannot be resumed: it is {found.state}")
    kept = sorted((found.folder / "run/recipe").glob("*"))
    texts = {path.name.partition("-")[2]: path.read_text(encoding="utf-8") for path in kept}
    start(found.run.model_copy(update={"resume": "auto", "checkpoint": None}), texts, overwrite=False, nohup=nohup)


def _status(run: str) -> RunStatus:
    from recipe_engine.launch.errors import LaunchError
    from recipe_engine.launch.runs import status_of

    folder = Path(run) if Path(run, "run").is_dir() else Path("models", run)
    try:
        return status_of(folder)
    except LaunchError as error:
        fail(error.code, error.message, error.hint)


def _row(one: RunStatus) -> tuple[str, ...]:
    left = one.seconds_left
    return (
        one.folder.name,
        one.state if one.state != "failed" else f"failed ({one.code})",
        "-" if one.step is None else f"{one.step}/{one.max_steps}" if one.max_steps else str(one.step),
        _short(one.loss),
        _short(one.seconds_per_step),
        "-" if left is None else str(timedelta(seconds=round(left))),
        _short(one.gpu_memory),
        one.checkpoint.name.removeprefix("checkpoint-") if one.checkpoint else "-",
    )


def _short(value: float | str | None) -> str:
    return "-" if value is None else f"{float(value):.4g}"


def _as_data(one: RunStatus) -> dict[str, object]:
    return {
        "folder": str(one.folder),
        "run_name": one.run.run_name,
        "algorithm": one.run.algorithm,
        "state": one.state,
        "pid": one.pid,
        "exit_code": one.code,
        "log": str(one.log) if one.log else None,
        "step": one.step,
        "max_steps": one.max_steps,
        "loss": one.loss,
        "seconds_per_step": one.seconds_per_step,
        "seconds_left": one.seconds_left,
        "gpu_memory_gib": one.gpu_memory,
        "checkpoint": str(one.checkpoint) if one.checkpoint else None,
    }
