"""Runs that a fault of the machine ends: they go on by themselves, and end as if nothing had been."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path

import pytest

from recipe_engine.checkpoints import whole_checkpoints
from tests.faults.support import (
    finished,
    recipe,
    run_to_end,
    start,
    steps_logged,
    trainers_of,
    wait_until,
    weights,
)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="looks processes up in /proc"),
]


def rank_of(pid: int) -> int:
    entries = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    return int(next(entry for entry in entries if entry.startswith(b"RANK="))[5:])


def test_one_process_of_two_is_killed_and_then_one_hangs(tmp_path: Path) -> None:
    file = recipe(tmp_path, launch={"cpu_processes": 2, "restart_seconds": 0.1, "hang_minutes": 0.2})
    run_to_end(file, "training.output_dir=models/whole")
    output = tmp_path / "models/run"
    process = start(file)
    wait_until(process, lambda: bool(whole_checkpoints(output)) and steps_logged(output) >= 4)
    first = {rank_of(pid): pid for pid in trainers_of(output)}
    os.kill(first[1], signal.SIGKILL)
    wait_until(process, lambda: _moved_on(output, first.values()) and len(whole_checkpoints(output)) >= 2)
    second = {rank_of(pid): pid for pid in trainers_of(output)}
    os.kill(second[1], signal.SIGSTOP)
    code, said = finished(process)
    assert code == 0, said
    assert f"run: process 1 ({first[1]}) was killed by SIGKILL; going on from models/run/checkpoint-" in said
    assert "run: nothing has moved for 0.2 minutes: " in said
    assert "process 1, in step " in said
    assert "(it does not answer: it is stopped, or waits within the system)" in said
    assert 'File "' in said.partition("process 0, in step ")[2].partition("process 1, in step ")[0]
    assert said.count("(restart 1 of 3)") == 2
    assert trainers_of(output) == []
    assert weights(output) == weights(tmp_path / "models/whole")
    steps = [json.loads(line)["step"] for line in (output / "run/metrics.jsonl").read_text("utf-8").splitlines()]
    assert sorted(set(steps)) == list(range(1, 13))


def _moved_on(output: Path, before: object) -> bool:
    return len(now := trainers_of(output)) == 2 and not set(now) & set(before)  # type: ignore[call-overload]


def test_two_runs_on_one_machine_do_not_meet_at_the_same_port(tmp_path: Path) -> None:
    file = recipe(tmp_path, launch={"cpu_processes": 2, "restarts": 0}, training={"max_steps": 2})
    runs = [start(file, f"training.output_dir=models/{name}") for name in ("a", "b")]
    for run in runs:
        code, said = finished(run)
        assert code == 0, said
    assert weights(tmp_path / "models/a") == weights(tmp_path / "models/b")
