"""SIGKILL at random moments, also in the middle of saves: whatever is killed when, the run goes on and ends the same.

One run lives through several kills, each followed by a start with the same command; what it is compared with was
trained once. ``--long`` kills a hundred times.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from recipe_engine.checkpoints import STAGING, newest_whole, step_of, whole_checkpoints
from recipe_engine.runtime.callbacks.metrics import read_metrics
from tests.faults.resumes import different_tensors, log_lines
from tests.faults.support import finished, recipe, run_to_end, start, trainers_of

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks processes up in /proc")

STEPS, PATIENCE = 60, 240.0
TRAINING: dict[str, Any] = {"max_steps": STEPS, "logging_steps": 2, "save_total_limit": 3}
MOMENTS = {"start": 1, "training": 4, "save": 4, "end": 1}
"""When a run is killed, and how often in comparison."""


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("uninterrupted")
    run_to_end(recipe(folder, training=TRAINING, launch={"restarts": 0}))
    return folder / "models/run"


@pytest.mark.times(3, 100)
def test_it_ends_as_if_it_had_never_been_killed(tmp_path: Path, uninterrupted: Path, times: int) -> None:
    chance, kills, hit, lives = random.Random(times), 0, Counter[str](), 0
    while kills < times:
        lives += 1
        folder = tmp_path / str(lives)
        folder.mkdir()
        file = recipe(folder, training=TRAINING, launch={"restarts": 0})
        output = folder / "models/run"
        for _ in range(min(times - kills, chance.randint(4, 12))):
            moment = chance.choices(list(MOMENTS), list(MOMENTS.values()))[0]
            process = start(file)
            if not _reached(moment, process, output, chance):
                break  # it has come to its end
            staging = (output / STAGING).exists()
            kills += _kill(process, output, also_launcher=chance.random() < 0.5)
            hit[moment] += 1
            hit["in the middle of a save"] += staging
            _assert_nothing_is_lost(output)
        if not (output / "run/finished").exists():
            run_to_end(file)
        assert different_tensors(uninterrupted, output, ".", f"checkpoint-{STEPS}") == []
        assert list(log_lines(output)) == list(log_lines(uninterrupted))
    print(f"{kills} kills in {lives} runs: {dict(hit)}")


def _reached(moment: str, process: subprocess.Popen[str], output: Path, chance: random.Random) -> bool:
    """Wait for a moment of a run. Returns whether it came before the run ended."""
    file = output / "run/metrics.jsonl"
    before = file.stat().st_mtime_ns if file.exists() else 0

    def wait_for(happened: Any) -> bool:
        deadline = time.monotonic() + PATIENCE
        while not happened():
            assert time.monotonic() < deadline
            if process.poll() is not None:
                code, said = finished(process)
                assert code == 0, said
                return False
            time.sleep(0.0005)
        return True

    def logged() -> bool:
        return file.exists() and file.stat().st_mtime_ns != before

    if moment == "start":
        time.sleep(chance.uniform(0, 8))
        return process.poll() is None or not finished(process)
    if moment == "training":
        came = wait_for(logged)
        time.sleep(chance.uniform(0, 0.8))
        return came and process.poll() is None
    if moment == "save":
        came = wait_for(logged) and wait_for((output / STAGING).exists)
        time.sleep(chance.uniform(0, 0.04))
        return came
    came = wait_for((output / f"checkpoint-{STEPS}").exists)
    time.sleep(chance.uniform(0, 0.3))
    return came and process.poll() is None


def _kill(process: subprocess.Popen[str], output: Path, *, also_launcher: bool) -> bool:
    """Kill a run's worker, or with it the launcher as when a machine dies. Returns whether that ended it."""
    workers = trainers_of(output)
    if also_launcher or not workers:
        process.kill()
    for worker in workers:
        try:
            os.kill(worker, signal.SIGKILL)
        except ProcessLookupError:
            continue  # it has just come to its end
    for worker in trainers_of(output):  # one that was started in between
        os.kill(worker, signal.SIGKILL)
    code, said = finished(process)
    assert code in {0, 137, -signal.SIGKILL}, said
    deadline = time.monotonic() + PATIENCE
    while trainers_of(output):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return code != 0


def _assert_nothing_is_lost(output: Path) -> None:
    """Every step that a whole checkpoint has behind it is in the log, and one stands before the next is begun."""
    newest = newest_whole(output)
    file = output / "run/metrics.jsonl"
    logged = {line["step"] for line in read_metrics(file)} if file.exists() else set()
    reached = step_of(newest) if newest else 0
    assert {1, *range(2, STEPS + 1, 2)} & set(range(1, reached + 1)) <= logged
    if max(logged, default=0) > 6:  # the first may still have been on its way to the disk
        assert whole_checkpoints(output)
