"""What the files of a pipeline say of it: no process is asked."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from recipe_engine.launch import lock
from recipe_engine.launch.supervise import EXIT_INTERRUPTED, EXIT_TERMINATED
from recipe_engine.pipeline.folders import BEGUN, LOG, MANIFEST
from recipe_engine.pipeline.record import LOG as PIPELINE_LOG
from recipe_engine.pipeline.record import RECORD, Record, last_start, read_record

State = Literal["running", "done", "stopped", "failed", "died", "not started"]
StageState = Literal["complete", "begun", "waiting"]


@dataclass(frozen=True, slots=True)
class StageStatus:
    """A stage, in a loop one iteration of it."""

    key: str
    state: StageState
    rows_in: int | None = None
    rows_out: int | None = None
    seconds: float | None = None
    verdict: str | None = None
    """Of a gate."""


@dataclass(frozen=True, slots=True)
class PipelineStatus:
    """A pipeline, as its folder shows it."""

    folder: Path
    record: Record
    state: State
    pid: int | None
    """The process that holds the pipeline's folder, where one does."""
    host: str
    """The machine that it runs on."""
    code: int | None
    """How the last start ended, where it did."""
    stages: tuple[StageStatus, ...]

    @property
    def log(self) -> Path:
        """The log of the whole."""
        return self.folder / PIPELINE_LOG

    @property
    def complete(self) -> int:
        """How many stages are complete."""
        return sum(one.state == "complete" for one in self.stages)

    @property
    def at(self) -> tuple[StageStatus, ...]:
        """The stages that are begun and not complete."""
        return tuple(one for one in self.stages if one.state == "begun")


def pipelines_under(folder: Path) -> list[PipelineStatus]:
    """Every pipeline in the folders of ``folder``, the one started last at the end."""
    records = sorted(folder.glob(f"*/{RECORD}"), key=lambda path: path.stat().st_mtime)
    found = (status_of(path.parent) for path in records)
    return [one for one in found if one is not None]


def status_of(folder: Path) -> PipelineStatus | None:
    """The status of the pipeline in a folder; none where there is none."""
    record = read_record(folder)
    if record is None:
        return None
    who, last = lock.holder(folder), last_start(folder)
    return PipelineStatus(
        folder=folder,
        record=record,
        state=_state(who is not None, last.get("code"), bool(last)),
        pid=who.pid if who is not None else None,
        host=who.host if who is not None else "",
        code=last.get("code"),
        stages=tuple(_stages(folder, record)),
    )


def _state(held: bool, code: int | None, started: bool) -> State:
    if held:
        return "running"
    if not started:
        return "not started"
    if code is None:
        return "died"  # without a word: killed, or its machine was
    if code == 0:
        return "done"
    return "stopped" if code in {EXIT_INTERRUPTED, EXIT_TERMINATED} else "failed"


def _stages(folder: Path, record: Record) -> Iterator[StageStatus]:
    for key in record.keys:
        place = folder.joinpath(*key.split("/"))
        try:
            manifest = json.loads((place / MANIFEST).read_text(encoding="utf-8"))
            result = manifest["result"]
            seconds = manifest["ended"] - manifest["started"]
            verdict = result["summary"].get("verdict") if manifest["kind"] == "gate" else None
            yield StageStatus(key, "complete", result["rows_in"], result["rows_out"], seconds, verdict)
        except FileNotFoundError:
            yield StageStatus(key, "begun" if (place / BEGUN).exists() else "waiting")
        except (OSError, ValueError, KeyError, TypeError):
            yield StageStatus(key, "waiting")  # damaged: it is looked at when the pipeline is run again


def log_of(status: PipelineStatus, stage: str | None) -> Path:
    """The log of a pipeline, or of one of its stages."""
    return status.log if stage is None else status.folder.joinpath(*stage.split("/"), LOG)


def wait(folder: Path, poll_seconds: float = 0.5) -> PipelineStatus | None:
    """Wait until the pipeline in a folder has ended."""
    while (status := status_of(folder)) is not None and status.state == "running":
        time.sleep(poll_seconds)
    return status
