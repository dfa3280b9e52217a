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
    from recipe_engine.pipeline.status import PipelineStatus

_OF_PIPELINES = ("pipeline", "state", "stages", "at", "last complete")
_COLUMNS = ("run", "state", "step", "loss", "s/step", "left", "GPU GiB", "checkpoint")


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command()(status)


def status(
    folder: Path = typer.Option(Path("models"), "--folder", help="Folder whose runs are listed."),
    as_json: bool = typer.Option(False, "--json", help="As JSON, one object a run."),
) -> None:
    """List the runs under models/: state, step, loss, pace, time left, memory, newest whole checkpoint.

    Pipelines follow: state, stages complete, the stage that each is at, and the rows of the last one.
    """
    from recipe_engine.checkpoints import left_out
    from recipe_engine.diagnostics.visible import visible
    from recipe_engine.launch.runs import runs_under
    from recipe_engine.pipeline.status import pipelines_under

    found, wrong = runs_under(folder)
    pipelines = pipelines_under(folder)
    if as_json:
        import json

        data = [*(_as_data(one) for one in found), *(_pipeline_as_data(one) for one in pipelines)]
        write(json.dumps(data, indent=1, ensure_ascii=False))
    elif not found and not wrong and not pipelines:
        write(f"no run under {folder}")
    else:
        if found:
            _table([_COLUMNS, *(_row(one) for one in found)])
            for one in found:
                for line in left_out(one.folder, one.checkpoint) if one.state not in {"running", "done"} else ():
                    write(visible(f"{one.folder.name}: {line}"))
        if found and pipelines:
            write("")
        if pipelines:
            _table([_OF_PIPELINES, *(_pipeline_row(one) for one in pipelines)])
        states = {*(one.state for one in found), *(one.state for one in pipelines)}
        if states & {"stopped", "died", "failed"}:
            write("go on with one that did not come to its end: recipe resume RUN")
    for error in wrong:
        write(f"error[{error.code}]: {visible(error.message)}", err=True)


def _table(rows: list[tuple[str, ...]]) -> None:
    from recipe_engine.diagnostics.visible import visible

    rows = [tuple(map(visible, row)) for row in rows]
    widths = [max(len(row[index]) for row in rows) for index in range(len(rows[0]))]
    for row in rows:
        write("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _pipeline_row(one: PipelineStatus) -> tuple[str, ...]:
    last = next((stage for stage in reversed(one.stages) if stage.state == "complete"), None)
    rows = "-" if last is None else f"{last.key}: {last.rows_in} in, {last.rows_out} out"
    if last is not None and last.verdict is not None:
        rows = f"{last.key}: {last.verdict.replace('_', ' ')}"
    at = ", ".join(stage.key for stage in one.at) or "-"
    state = one.state if one.state != "failed" else f"failed ({one.code})"
    return one.folder.name, state, f"{one.complete}/{len(one.stages)}", at, rows


def _pipeline_as_data(one: PipelineStatus) -> dict[str, object]:
    return {
        "folder": str(one.folder),
        "pipeline": one.record.file,
        "state": one.state,
        "pid": one.pid,
        "exit_code": one.code,
        "log": str(one.log),
        "stages": [
            {
                "key": stage.key,
                "state": stage.state,
                "rows_in": stage.rows_in,
                "rows_out": stage.rows_out,
                "seconds": stage.seconds,
                "verdict": stage.verdict,
            }
            for stage in one.stages
        ],
    }


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
