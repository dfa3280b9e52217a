"""Runs that a scheduler starts: which job a run belongs to, and what was submitted and has not begun."""

from __future__ import annotations

import json
import os
import re
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from recipe_engine.compiled import CompiledRun

FILE = "submitted.json"
"""In the run's folder from its submission to its start."""
VARIABLE = "RECIPE_ENGINE_JOB"
"""Says to ``recipe train`` which job it is started by: ``slurm:123``, or ``ray:NAME@ADDRESS``."""

_ID = re.compile(r"\w[\w.+=,-]*")

System = Literal["slurm", "ray"]


@dataclass(frozen=True, slots=True)
class Job:
    """A job of a scheduler."""

    system: System
    id: str
    address: str | None = None
    """Where the scheduler is asked, if it has an address: Ray's."""

    def __str__(self) -> str:
        return f"{self.system} {self.id}"


@dataclass(frozen=True, slots=True)
class Submitted:
    """A run that a scheduler was given, and that has not begun."""

    job: Job
    run: CompiledRun
    log: Path


def name_of(job: Job) -> str:
    """The value of ``RECIPE_ENGINE_JOB``."""
    return f"{job.system}:{job.id}" + (f"@{job.address}" if job.address else "")


def log_name(name: str) -> str:
    """Name of the file in the folder of logs that a job of Ray with the name ``name`` (``name_of``) tells of itself."""
    return f"{name.partition(':')[2].partition('@')[0]}.log"


def surrounding_job() -> Job | None:
    """The job that this process is started by."""
    system, _, rest = os.environ.get(VARIABLE, "").partition(":")
    identity, _, address = rest.partition("@")
    if system not in ("slurm", "ray") or not identity:
        return None
    return Job("slurm" if system == "slurm" else "ray", identity, address or None)


def job_of(entry: dict[str, Any]) -> Job | None:
    """The job that an attempt, or a submission, was recorded with. What could be an option of a command is none."""
    found = entry.get("job")
    if not isinstance(found, dict) or found.get("system") not in ("slurm", "ray"):
        return None
    identity, address = found.get("id"), found.get("address")
    if not isinstance(identity, str) or not _ID.fullmatch(identity):
        return None
    return Job(found["system"], identity, address if isinstance(address, str) else None)


def record(run: CompiledRun, job: Job, log: Path) -> None:
    """Note that the run was submitted. A start of the run takes the note away."""
    folder = Path(run.run_dir)
    folder.mkdir(parents=True, exist_ok=True)
    entry = {"job": asdict(job), "time": round(time.time(), 3), "log": str(log), "run": run.model_dump(mode="json")}
    (folder / FILE).write_text(json.dumps(entry, indent=1), encoding="utf-8")


def submitted(run_dir: Path) -> Submitted | None:
    """What was submitted to train into a folder and has not begun."""
    try:
        entry = json.loads((run_dir / FILE).read_text(encoding="utf-8"))
        job = job_of(entry) if isinstance(entry, dict) else None
        return None if job is None else Submitted(job, CompiledRun.model_validate(entry["run"]), Path(entry["log"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def forget(run_dir: Path) -> None:
    """Take the note away: the run has begun, or its job was cancelled."""
    (run_dir / FILE).unlink(missing_ok=True)
