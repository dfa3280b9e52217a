"""Runs looked at, stopped and resumed from any shell."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults.support import finished, recipe, start, steps_logged, wait_until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="signals are looked at through /proc")


def recipe_cli(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "recipe_engine.cli", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=300)


def test_the_life_of_a_run(tmp_path: Path) -> None:
    assert recipe_cli(tmp_path, "status").stdout == "no run under models\n"
    file = recipe(tmp_path, training={"max_steps": 400, "save_steps": 5000})
    process = start(file)
    wait_until(process, lambda: steps_logged(tmp_path / "models/run") >= 3)
    listed = recipe_cli(tmp_path, "status").stdout.splitlines()
    assert re.match(r"run +running +\d+/400 ", listed[1]), listed
    (data,) = json.loads(recipe_cli(tmp_path, "status", "--json").stdout)
    assert (data["state"], data["pid"], data["max_steps"]) == ("running", process.pid, 400)
    assert data["seconds_left"] > 0
    refused = recipe_cli(tmp_path, "resume", "run")
    assert (refused.returncode, "is running" in refused.stderr) == (1, True)

    stopped = recipe_cli(tmp_path, "stop", "run")
    assert re.fullmatch(r"run: stopped; saved checkpoint-\d+\n", stopped.stdout), stopped
    assert finished(process)[0] == 143
    assert recipe_cli(tmp_path, "wait", "run").returncode == 143
    assert "error[T514]" in recipe_cli(tmp_path, "stop", "run").stderr
    assert "stopped by SIGTERM" in recipe_cli(tmp_path, "logs", "run", "-n", "5").stdout

    (tmp_path / "models/run/checkpoint-4999").mkdir()
    left_out = "checkpoint-4999 is left out: it has no whole.json, which is written last"
    assert f"run: {left_out}\n" in recipe_cli(tmp_path, "status").stdout

    resumed = recipe_cli(tmp_path, "resume", "run")
    assert resumed.returncode == 0, resumed
    assert left_out in resumed.stdout
    assert left_out in recipe_cli(tmp_path, "logs", "run", "-n", "1000").stdout
    assert "going on from models/run/checkpoint-" in resumed.stdout
    assert recipe_cli(tmp_path, "wait", "models/run").stdout == "models/run: done\n"
    (data,) = json.loads(recipe_cli(tmp_path, "status", "--json").stdout)
    assert (data["state"], data["step"], data["exit_code"]) == ("done", 400, 0)


def test_a_dead_process_is_noticed(tmp_path: Path) -> None:
    process = start(recipe(tmp_path, training={"max_steps": 5000}))
    wait_until(process, lambda: steps_logged(tmp_path / "models/run") >= 2)
    followed = subprocess.Popen(
        [sys.executable, "-m", "recipe_engine.cli", "logs", "-f", "run"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        text=True,
    )
    process.send_signal(signal.SIGKILL)
    process.wait()
    out, _ = followed.communicate(timeout=120)  # ends by itself
    assert "step " in out
    assert "died" in recipe_cli(tmp_path, "status").stdout
    assert recipe_cli(tmp_path, "wait", "run").returncode == 1


def test_what_is_no_run_is_told(tmp_path: Path) -> None:
    done = recipe_cli(tmp_path, "stop", "nothing")
    assert (done.returncode, done.stdout) == (1, "")
    assert "error[T513]: models/nothing holds no run" in done.stderr


def test_a_damaged_run_is_told_beside_the_others(tmp_path: Path) -> None:
    (tmp_path / "models/garbage/run").mkdir(parents=True)
    (tmp_path / "models/garbage/run/compiled.json").write_text('{"a":')
    done = recipe_cli(tmp_path, "status")
    assert done.returncode == 0
    assert "error[T513]: models/garbage/run/compiled.json cannot be read" in done.stderr
