"""SIGTERM to one process of two: both save after the same step, everything ends with 143, and the run can go on.

``--long`` does so fifty times.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from pathlib import Path

import pytest

from recipe_engine.checkpoints import newest_whole, step_of
from tests.faults.support import finished, recipe, start, steps_logged, trainers_of, wait_until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks processes up in /proc")


@pytest.mark.times(1, 50)
def test_all_save_after_the_same_step_and_nothing_is_left(tmp_path: Path, times: int) -> None:
    endless = {"max_steps": 1_000_000, "save_steps": 900_000, "save_total_limit": 2, "logging_steps": 1}
    file = recipe(tmp_path, launch={"cpu_processes": 2, "restarts": 0}, training=endless)
    output, chance, reached = tmp_path / "models/run", random.Random(times), 0
    for _ in range(times):
        process = start(file)
        wait_until(process, lambda: steps_logged(output) > reached)  # noqa: B023
        time.sleep(chance.uniform(0, 0.5))
        ranks = [pid for pid in trainers_of(output) if _is_rank(pid)]
        assert len(ranks) == 2
        os.kill(chance.choice(ranks), signal.SIGTERM)
        code, said = finished(process)
        assert code == 143, said
        assert trainers_of(output) == []
        newest = newest_whole(output)
        assert newest is not None
        assert f"stopped after step {step_of(newest)}" in said
        assert step_of(newest) > reached
        assert {file.name for file in newest.glob("carried_*")} == {"carried_0.pt", "carried_1.pt"}
        reached = step_of(newest)


def _is_rank(pid: int) -> bool:
    return b"LOCAL_RANK=" in Path(f"/proc/{pid}/environ").read_bytes()
