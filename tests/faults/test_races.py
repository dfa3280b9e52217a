"""Two starts for one output folder at the same moment: one of them gets it, and the other says who has it.

``--long`` does so fifty times.
"""

from __future__ import annotations

import hashlib
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from recipe_engine.launch.lock import holder
from tests.faults.support import command, recipe, run_to_end, trainers_of

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks processes up in /proc")

CONTENDERS = 3


@pytest.mark.times(5, 50)
def test_one_wins_and_the_others_name_it_and_change_nothing(tmp_path: Path, times: int) -> None:
    """Every other race is for the folder of an unfinished run, which each contender wants to go on with."""
    file = recipe(tmp_path, training={"max_steps": 2, "save_steps": 1}, launch={"restarts": 0})
    run_to_end(file)
    unfinished = tmp_path / "models/run"
    (unfinished / "run/finished").unlink()
    (unfinished / "model.safetensors").unlink()
    for number in range(times):
        if number % 2:
            _race(file, unfinished, resumed=True)
        else:
            _race(file, tmp_path / f"models/race-{number}", resumed=False)


def _race(file: Path, output: Path, *, resumed: bool) -> None:
    before = _checkpoints(output)
    # More steps than a race lasts, and no more checkpoints than the disk has room for.
    overrides = [f"training.output_dir={output}", "training.max_steps=1000000", "training.save_steps=500000"]
    said = [(file.parent / f"said-{number}").open("w+b") for number in range(CONTENDERS)]
    contenders = [
        subprocess.Popen(command(file, *overrides), cwd=file.parent, stdout=out, stderr=out, start_new_session=True)
        for out in said
    ]
    try:
        going_on = contenders
        deadline = time.monotonic() + 120
        while len(going_on) > 1 and time.monotonic() < deadline:
            time.sleep(0.02)
            going_on = [one for one in contenders if one.poll() is None]
        texts = [Path(out.name).read_text(encoding="utf-8") for out in said]
        assert len(going_on) == 1, texts
        (winner,) = going_on
        assert holder(output / "run") == (winner.pid, socket.gethostname())
        for one, text in zip(contenders, texts, strict=True):
            if one is not winner:
                assert one.returncode == 1, text
                assert f"is in use by a run that is going on (process {winner.pid} on {socket.gethostname()})" in text
        assert ("going on from" in texts[contenders.index(winner)]) == resumed
        assert _checkpoints(output) == before
    finally:
        for one in contenders:
            one.kill()
            one.wait()
        while trainers := trainers_of(output):
            for pid in trainers:
                os.kill(pid, signal.SIGKILL)
            time.sleep(0.05)
        for out in said:
            out.close()


def _checkpoints(output: Path) -> dict[str, str]:
    files = sorted(file for file in output.glob("checkpoint-*/**/*") if file.is_file())
    return {str(file): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}
