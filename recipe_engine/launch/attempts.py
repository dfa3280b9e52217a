"""The record of a run's starts: when, where, with which sources, and how each ended."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from recipe_engine.compiled import CompiledRun
from recipe_engine.launch.jobs import surrounding_job
from recipe_engine.lines import append_line, read_lines

FILE = "attempts.jsonl"

Attempt = dict[str, Any]


def begin(run: CompiledRun, log: Path, restart: int = 0) -> None:
    """Note that the run is started by this process, for the ``restart``-th time after a passing fault."""
    job = surrounding_job()
    _append(
        run,
        {
            "event": "start",
            "time": round(time.time(), 3),
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "log": str(log),
            "restart": restart,
            "checkpoint": run.checkpoint,
            "engine": run.engine,
            "git": git_state(Path(run.recipe_folder)),
            "job": None if job is None else asdict(job),
        },
    )


def end(run: CompiledRun, code: int, reason: str) -> None:
    """Note how the start that was noted last ended. A disk that is full by now changes nothing of that."""
    try:
        _append(run, {"event": "end", "time": round(time.time(), 3), "code": code, "reason": reason})
    except OSError as error:
        print(f"{Path(run.run_dir, FILE)}: how the run ended could not be noted: {error.strerror}", file=sys.stderr)


def attempts(run_dir: Path) -> list[Attempt]:
    """The starts of a run, the oldest first, each with ``ended``, ``code`` and ``reason`` where its end is known."""
    found: list[Attempt] = []
    try:
        entries = read_lines(run_dir / FILE)
    except OSError:
        return found  # another user's: what else is known of the run is shown
    for entry in entries:
        if entry.get("event") == "start" and "log" in entry:
            found.append(entry)
        elif entry.get("event") == "end" and found:
            found[-1] |= {"ended": entry.get("time"), "code": entry.get("code"), "reason": entry.get("reason", "")}
    return found


def git_state(folder: Path) -> dict[str, Any] | None:
    """The commit that the recipe's folder is at, and whether it has changes; none outside of version control."""

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(folder), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()

    try:
        return {"commit": git("rev-parse", "HEAD"), "changed": bool(git("status", "--porcelain", "--", "."))}
    except (OSError, subprocess.SubprocessError):
        return None


def _append(run: CompiledRun, entry: Attempt) -> None:
    append_line(Path(run.run_dir, FILE), entry)
