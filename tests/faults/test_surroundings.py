"""What may change around a run while it trains: its data vanish, the clock jumps."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from recipe_engine.checkpoints import newest_whole, whole_checkpoints
from tests.faults.support import command, finished, recipe, run_to_end, start, steps_logged, wait_until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="faketime is for Linux")

_PLACES = ["/usr/lib/x86_64-linux-gnu/faketime", "/usr/lib/aarch64-linux-gnu/faketime", "/usr/lib/faketime"]


def test_data_that_vanish_stop_no_run_and_are_missed_by_the_next(tmp_path: Path) -> None:
    rows = tmp_path / "rows.jsonl"
    text = "".join(json.dumps({"text": f"{number} is a number. " * 4}) + "\n" for number in range(64))
    rows.write_text(text, encoding="utf-8")
    file = recipe(tmp_path, data={"datasets": [{"name": "rows.jsonl"}]}, training={"max_steps": 40})
    output = tmp_path / "models/run"
    process = start(file)
    wait_until(process, lambda: steps_logged(output) >= 2)
    rows.unlink()
    reached = steps_logged(output)
    wait_until(process, lambda: steps_logged(output) >= reached + 4)
    process.send_signal(signal.SIGTERM)
    code, said = finished(process)
    assert code == 143, said
    newest = newest_whole(output)
    code, said = finished(start(file))
    assert code == 1
    assert "error[D401]" in said
    assert "rows.jsonl" in said
    assert newest_whole(output) == newest
    rows.write_text(text, encoding="utf-8")
    assert "going on from" in run_to_end(file)


LAUNCHER = """
import os, pathlib, sys, time
if "recipe_engine.cli" in sys.orig_argv:  # faketime breaks sleep: the launcher is given the clock by hand
    os.environ["LD_PRELOAD"] = {library!r}
    real = time.time
    time.time = lambda: real() + 86400 * int(pathlib.Path({clock!r}).read_text().rstrip("d"))
"""


def faketime() -> Path:
    """The library that gives a process another clock (Debian's package libfaketime)."""
    places = [Path(os.environ["FAKETIME_LIBRARY"])] if "FAKETIME_LIBRARY" in os.environ else []
    places += [Path(place, "libfaketimeMT.so.1") for place in _PLACES]
    found = next((place for place in places if place.is_file()), None)
    return found or pytest.skip("needs libfaketime: apt-get install libfaketime, or FAKETIME_LIBRARY")


def test_a_clock_that_jumps_both_ways_fools_nothing(tmp_path: Path) -> None:
    """Rotation, the newest checkpoint, the steps in the metrics and the time that is left go by steps, not by dates."""
    clock, patches = tmp_path / "clock", tmp_path / "patches"
    clock.write_text("+0d")
    patches.mkdir()
    (patches / "sitecustomize.py").write_text(LAUNCHER.format(library=str(faketime()), clock=str(clock)))
    paths = os.pathsep.join([str(patches), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": paths}
    environment |= {
        "FAKETIME_TIMESTAMP_FILE": str(clock),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
    file = recipe(tmp_path, training={"max_steps": 30, "save_total_limit": 2})
    output = tmp_path / "models/run"
    process = subprocess.Popen(
        command(file), cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    for step, jump in ((4, "+400d"), (10, "-400d"), (16, "+3d")):
        wait_until(process, lambda step=step: steps_logged(output) >= step)  # type: ignore[misc]
        (tmp_path / "next").write_text(jump)
        os.replace(tmp_path / "next", clock)
    code, said = finished(process)
    assert code == 0, said
    entries = [json.loads(line) for line in (output / "run/metrics.jsonl").read_text("utf-8").splitlines()]
    times = [entry["time"] for entry in entries]
    assert max(times) - min(times) > 700 * 86400  # it did jump
    assert "trained for 0:0" in said
    assert [entry["step"] for entry in entries][:30] == list(range(1, 31))
    assert [path.name for path in whole_checkpoints(output)] == ["checkpoint-27", "checkpoint-30"]
    left = [line.rpartition("left ")[2].strip() for line in said.splitlines() if "  left " in line]
    assert left
    assert all(text.startswith("0:0") and "day" not in text for text in left)
    listed = subprocess.run(
        [sys.executable, "-m", "recipe_engine.cli", "status"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert "done" in listed.stdout
