"""``recipe status``: every run under a folder at a glance."""

from __future__ import annotations

import socket
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from recipe_engine.cli.output import write

if TYPE_CHECKING:
    from recipe_engine.launch.runs import RunStatus

_COLUMNS = ("run", "state", "step", "loss", "s/step", "left", "GPU GiB", "checkpoint")


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command()(status)


def status(
    folder: Path = typer.Option(Path("models"), "--folder", help="Folder whose runs are listed."),
    as_json: bool = typer.Option(False, "--json", help="As JSON, one object a run."),
) -> None:
    """List the runs under models/: state, step, loss, pace, time left, memory, newest whole checkpoint."""
    from recipe_engine.launch.runs import runs_under

    found, wrong = runs_under(folder)
    if as_json:
        import json

        write(json.dumps([_as_data(one) for one in found], indent=1, ensure_ascii=False))
    elif not found and not wrong:
        write(f"no run under {folder}")
    elif found:
        rows = [_COLUMNS, *(_row(one) for one in found)]
        widths = [max(len(row[index]) for row in rows) for index in range(len(_COLUMNS))]
        for row in rows:
            write("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
        if any(one.state in {"stopped", "died", "failed"} for one in found):
            write("go on with one that did not come to its end: recipe resume RUN")
    for error in wrong:
        write(f"error[{error.code}]: {error.message}", err=True)


def _row(one: RunStatus) -> tuple[str, ...]:
    left = one.seconds_left
    return (
        one.folder.name,
        _state(one),
        "-" if one.step is None else f"{one.step}/{one.max_steps}" if one.max_steps else str(one.step),
        _short(one.loss),
        _short(one.seconds_per_step),
        "-" if left is None else str(timedelta(seconds=round(left))),
        _short(one.gpu_memory),
        one.checkpoint.name.removeprefix("checkpoint-") if one.checkpoint else "-",
    )


def _state(one: RunStatus) -> str:
    if one.state == "failed":
        return f"failed ({one.code})"
    job = f" ({one.job})" if one.job and one.state in {"submitted", "running"} else ""
    doing = f", {one.phase}" if one.phase not in {None, "training"} else ""
    elsewhere = f" on {one.host}" if one.state == "running" and one.host not in {None, socket.gethostname()} else ""
    return one.state + job + elsewhere + doing


def _short(value: float | str | None) -> str:
    return "-" if value is None else f"{float(value):.4g}"


def _as_data(one: RunStatus) -> dict[str, object]:
    return {
        "folder": str(one.folder),
        "run_name": one.run.run_name,
        "algorithm": one.run.algorithm,
        "state": one.state,
        "phase": one.phase,
        "pid": one.pid,
        "job": str(one.job) if one.job else None,
        "host": one.host,
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
