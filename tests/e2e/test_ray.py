"""A real Ray on this machine, with two nodes, is given a run by ``recipe submit``."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

import pytest

from recipe_engine.checkpoints import newest_whole
from tests.e2e.machines import (
    ENVIRONMENT,
    SAVED,
    STEPS,
    WATCHED,
    logs,
    losses,
    quickstart,
    recipe,
    said_by,
    trainers_on,
    until,
)

pytestmark = [
    pytest.mark.skipif(find_spec("ray") is None, reason="Ray is not installed (extra ray)"),
    pytest.mark.xdist_group("ray"),
    pytest.mark.slow,
]


@pytest.fixture(scope="module")
def ray() -> Iterator[dict[str, str]]:
    """Two nodes with one core each, and the address of the first one's jobs in the environment."""
    with tempfile.TemporaryDirectory(prefix="ray", dir="/tmp") as folder:  # its sockets' paths may not be long
        head, dashboard = _free_port(), _free_port()
        environment = ENVIRONMENT | {"RAY_ENABLE_UNSTABLE_MULTI_NODE": "1", "RAY_USAGE_STATS_ENABLED": "0"}
        common = ["--num-cpus", "1", "--disable-usage-stats", "--object-store-memory", "80000000", "--block"]
        nodes = [
            ["--head", "--port", str(head), "--dashboard-port", str(dashboard), "--temp-dir", folder],
            ["--address", f"127.0.0.1:{head}"],
        ]
        started: list[subprocess.Popen[bytes]] = []
        try:
            for node in nodes:
                command = [sys.executable, "-m", "ray.scripts.scripts", "start", *node, *common]
                with Path(folder, "start.log").open("ab") as log:
                    started.append(
                        subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
                    )
                until(lambda: _is_open(dashboard), lambda: Path(folder, "start.log").read_text())
            yield environment | {"RAY_ADDRESS": f"http://127.0.0.1:{dashboard}"}
        finally:
            for process in reversed(started):
                process.terminate()
                try:
                    process.wait(timeout=30)
                except subprocess.TimeoutExpired:
                    process.kill()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _is_open(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_a_run_on_two_nodes_ends_although_a_process_is_killed(ray: dict[str, str], tmp_path: Path) -> None:
    said = said_by(quickstart("submit", "--on", "ray", "--num-nodes", "2", *WATCHED), tmp_path, ray)
    job = said.partition("submitted as ray ")[2].split()[0]
    until(lambda: len(losses(tmp_path)) >= SAVED, lambda: logs(tmp_path))
    os.kill(trainers_on(1, tmp_path / "models/run")[0], signal.SIGKILL)
    assert f"running (ray {job})" in said_by(recipe("status"), tmp_path)
    finished = tmp_path / "models/run/run/finished"
    until(finished.exists, lambda: logs(tmp_path))
    assert sorted(losses(tmp_path)) == list(range(1, STEPS + 1))
    assert "was killed by SIGKILL; going on from models/run/checkpoint-" in logs(tmp_path)
    said_by(recipe("wait", "run"), tmp_path)


def test_a_stop_saves(ray: dict[str, str], tmp_path: Path) -> None:
    said_by(quickstart("submit", "--on", "ray", *WATCHED, "training.max_steps=5000"), tmp_path, ray)
    until(lambda: len(losses(tmp_path)) >= 3, lambda: logs(tmp_path))
    assert "stopped; saved checkpoint-" in said_by(recipe("stop", "run"), tmp_path, ray)
    assert "stopped by SIGTERM; the newest checkpoint is" in logs(tmp_path)


def test_a_killed_driver_leaves_a_training_that_saves(ray: dict[str, str], tmp_path: Path) -> None:
    said_by(quickstart("submit", "--on", "ray", *WATCHED, "training.max_steps=5000"), tmp_path, ray)
    until(lambda: len(losses(tmp_path)) >= 3, lambda: logs(tmp_path))
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if b"recipe_engine.launch.ray_driver" in (process / "cmdline").read_bytes():
                os.kill(int(process.name), signal.SIGKILL)
    # Ray kills what an actor has started, and with it the launcher: the process that trains saves by itself.
    until((tmp_path / "models/run/run/stopped").exists, lambda: logs(tmp_path))
    newest = newest_whole(tmp_path / "models/run")
    assert newest is not None
    assert newest.name == f"checkpoint-{max(losses(tmp_path))}"


def test_an_address_where_nothing_answers_is_said(tmp_path: Path) -> None:
    nowhere = f"http://127.0.0.1:{_free_port()}"
    command = quickstart("submit", "--on", "ray", "--address", nowhere, *WATCHED)
    done = subprocess.run(command, cwd=tmp_path, env=ENVIRONMENT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "T515" in done.stderr
    assert nowhere in done.stderr
