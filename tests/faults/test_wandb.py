"""Outages of Weights & Biases: training goes on, ends in time, and says how to send what is missing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.faults.support import command, finished, recipe, steps_logged, wait_until, weights
from tests.wandb_server import KEY, serving

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks processes up in /proc")


def started(tmp_path: Path, url: str, steps: int) -> subprocess.Popen[str]:
    home = tmp_path / "home"
    home.mkdir()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("WANDB_")}
    environment |= {
        "OMP_NUM_THREADS": "1",
        "HOME": str(home),
        "RECIPE_ENGINE_CACHE": str(home),
        "WANDB_API_KEY": KEY,
        "WANDB_INIT_TIMEOUT": "1",
        "WANDB_FINISH_TIMEOUT": "1",
    }
    file = recipe(
        tmp_path,
        training={"max_steps": steps, "save_strategy": "no"},
        wandb={"enabled": True, "base_url": url, "project": "p"},
    )
    return subprocess.Popen(
        command(file), cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def test_a_server_that_hangs_from_the_start(tmp_path: Path) -> None:
    with serving("hanging") as server:
        process = started(tmp_path, server.url, steps=4)
        code, said = finished(process)
    assert code == 0, said
    assert "wandb: offline, since the server refused" in said
    (folder,) = (tmp_path / "models/run/run/wandb").glob("offline-run-*")
    assert f"wandb sync {folder}" in said
    assert weights(tmp_path / "models/run")


def test_a_server_that_dies_later_and_then_wandb_itself(tmp_path: Path) -> None:
    output = tmp_path / "models/run"
    with serving() as server:
        process = started(tmp_path, server.url, steps=60)
        wait_until(process, lambda: steps_logged(output) >= 2)
    wait_until(process, lambda: steps_logged(output) >= 10)
    os.kill(wandb_of(process.pid), signal.SIGKILL)
    wait_until(process, lambda: steps_logged(output) >= 60)
    begin = time.monotonic()
    code, said = finished(process)
    assert code == 0, said
    assert time.monotonic() - begin < 30
    assert said.count("training goes on without it; see metrics.jsonl") in {1, 2}  # its callback, its log
    (folder,) = (output / "run/wandb").glob("run-*")
    assert f"send it with: wandb sync {folder}" in said
    assert "run: done" in said


def wandb_of(launcher: int) -> int:
    """The process of wandb's below a launcher."""
    parents: dict[int, int] = {}
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            arguments = (folder / "cmdline").read_bytes().split(b"\0")
            status = (folder / "status").read_text()
        except OSError:
            continue
        parents[int(folder.name)] = int(status.partition("PPid:")[2].split()[0])
        if b"wandb-core" in arguments[0]:
            found.append(int(folder.name))
    for process in found:
        above = process
        while above in parents:
            above = parents[above]
            if above == launcher:
                return process
    raise AssertionError("wandb has no process")
