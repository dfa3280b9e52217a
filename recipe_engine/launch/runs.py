"""What the files of a run say of it: no process is asked, so any shell can, and after a reboot too."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

from recipe_engine.checkpoints import STAGING, newest_whole
from recipe_engine.compiled import FINISHED, CompiledRun
from recipe_engine.launch import jobs, lock
from recipe_engine.launch.attempts import attempts
from recipe_engine.launch.command import COMPILED
from recipe_engine.launch.errors import LaunchError
from recipe_engine.launch.jobs import Job
from recipe_engine.launch.supervise import EXIT_INTERRUPTED, EXIT_TERMINATED

State = Literal["submitted", "running", "done", "stopped", "failed", "died", "not started"]
Phase = Literal["starting", "training", "saving", "ending"]

_METRICS_TAIL = 1 << 16
"""Bytes of the metrics that are read: the last lines."""


@dataclass(frozen=True, slots=True)
class RunStatus:
    """A run, as its folder shows it."""

    folder: Path
    run: CompiledRun
    state: State
    holder: lock.Holder | None
    """Who holds the run's folder, where somebody does."""
    host: str | None
    """The machine that it was started on last."""
    phase: Phase | None
    """What a run that is going on is doing."""
    code: int | None
    """How the last start ended, where it did."""
    log: Path | None
    step: int | None
    max_steps: int | None
    loss: float | None
    seconds_per_step: float | None
    gpu_memory: float | None
    """Most memory that a GPU held so far, in GiB."""
    checkpoint: Path | None
    job: Job | None = None
    """The job of a scheduler that it was started by, or will be."""

    @property
    def pid(self) -> int | None:
        """The process that holds the run's folder, where one does."""
        return self.holder.pid if self.holder else None

    @property
    def seconds_left(self) -> float | None:
        """At the present pace."""
        if self.state != "running" or self.seconds_per_step is None or self.step is None or self.max_steps is None:
            return None
        return (self.max_steps - self.step) * self.seconds_per_step


def runs_under(folder: Path) -> tuple[list[RunStatus], list[LaunchError]]:
    """Every run in the folders of ``folder``, the one started last at the end; and what is wrong with those that
    cannot be read."""
    files = [*folder.glob(f"*/run/{COMPILED}"), *folder.glob(f"*/run/{jobs.FILE}")]
    folders = {path.parents[1]: None for path in sorted(files, key=lambda path: path.stat().st_mtime)}
    found, wrong = [], []
    for each in folders:
        try:
            found.append(status_of(each))
        except LaunchError as error:
            wrong.append(error)
    return found, wrong


def status_of(folder: Path) -> RunStatus:
    """The status of the run in an output folder.

    Raises:
        LaunchError: there is no run, or one that this version cannot read.
    """
    run_dir = folder / "run"
    starts = attempts(run_dir)
    last = starts[-1] if starts else {}
    holder = lock.holder(run_dir)
    waiting = jobs.submitted(run_dir)
    # A job may begin before its submission is noted.
    if waiting is not None and holder is None and waiting.job != jobs.job_of(last):
        return _waiting(folder, waiting)
    run = _compiled(folder)
    state = _state(run_dir, holder, last)
    lines = list(_metrics(run_dir / "metrics.jsonl"))
    newest = lines[-1] if lines else {}
    return RunStatus(
        folder=folder,
        run=run,
        state=state,
        holder=holder,
        host=(holder.host if holder else None) or last.get("host"),
        phase=_phase(folder, last, newest) if state == "running" else None,
        code=last.get("code"),
        log=Path(last["log"]) if last else None,
        step=newest.get("step"),
        max_steps=newest.get("max_steps"),
        loss=next((line["loss"] for line in reversed(lines) if "loss" in line), None),
        seconds_per_step=_pace(lines),
        gpu_memory=newest.get("gpu_memory_gib"),
        checkpoint=newest_whole(folder),
        job=jobs.job_of(last),
    )


def _waiting(folder: Path, waiting: jobs.Submitted) -> RunStatus:
    """The status of a run that has not begun, whatever an earlier one has left in its folder."""
    nothing = dict.fromkeys(
        ["holder", "host", "phase", "code", "step", "max_steps", "loss", "seconds_per_step", "gpu_memory"]
    )
    return RunStatus(
        folder=folder,
        run=waiting.run,
        state="submitted",
        log=waiting.log,
        checkpoint=newest_whole(folder),
        job=waiting.job,
        **nothing,
    )


def _compiled(folder: Path) -> CompiledRun:
    file = folder / "run" / COMPILED
    try:
        return CompiledRun.model_validate_json(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise LaunchError("T513", f"{folder} holds no run", "`recipe status` lists the runs under models/") from error
    except (OSError, ValueError) as error:
        raise LaunchError("T513", f"{file} cannot be read: it is damaged, or of another version") from error


def _phase(folder: Path, last: dict[str, Any], newest: dict[str, Any]) -> Phase:
    if newest.get("time", 0) < last.get("time", 0):
        return "starting"  # nothing was logged since
    if (folder / STAGING).exists():
        return "saving"
    return "ending" if newest["step"] >= newest.get("max_steps", newest["step"] + 1) else "training"


def _state(run_dir: Path, holder: lock.Holder | None, last: dict[str, Any]) -> State:
    if holder is not None:
        return "running"
    if (run_dir / FINISHED).exists():
        return "done"
    if not last:
        return "not started"
    if "code" not in last:
        return "died"  # without a word: killed, or its machine was
    return "stopped" if last["code"] in {EXIT_INTERRUPTED, EXIT_TERMINATED} else "failed"


def _metrics(file: Path) -> Iterator[dict[str, Any]]:
    """The last lines of a run's metrics; a line that is being written is left out."""
    try:
        with file.open("rb") as stream:
            stream.seek(max(stream.seek(0, 2) - _METRICS_TAIL, 0))
            tail = stream.read()
    except OSError:
        return
    for line in tail.splitlines():
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if isinstance(entry, dict) and "step" in entry:
            yield entry


def _pace(lines: list[dict[str, Any]]) -> float | None:
    """Seconds of a step, over the last lines. A pause longer than all the rest is a restart: what is before it is left
    out."""
    recent = [line for line in lines if isinstance(line.get("time"), float | int)][-20:]
    gaps = [later["time"] - earlier["time"] for earlier, later in pairwise(recent)]
    if len(gaps) > 2 and max(gaps) > sum(gaps) / 2:
        recent = recent[gaps.index(max(gaps)) + 1 :]
    if len(recent) < 2 or recent[-1]["step"] <= recent[0]["step"]:
        return None
    seconds, steps = float(recent[-1]["time"] - recent[0]["time"]), int(recent[-1]["step"] - recent[0]["step"])
    return seconds / steps


def wait(folder: Path, poll_seconds: float = 0.5) -> RunStatus:
    """Wait until the run in a folder has ended; one that was submitted begins first."""
    while (status := status_of(folder)).state in {"running", "submitted"}:
        time.sleep(poll_seconds)
    return status
