"""A real Slurm on this machine, with two nodes, is given runs by ``recipe submit``."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

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
from tests.slurm.cluster import cluster, missing

pytestmark = [
    pytest.mark.skipif(missing() is not None, reason=str(missing())),
    pytest.mark.xdist_group("slurm"),
    pytest.mark.slow,
]


@pytest.fixture(scope="module")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    with cluster(tmp_path_factory.mktemp("slurm")) as environment:
        yield ENVIRONMENT | {"SLURM_CONF": environment["SLURM_CONF"]}


def asked(slurm: dict[str, str], *command: str) -> str:
    return subprocess.run(command, env=slurm, capture_output=True, text=True, check=True).stdout


def state(slurm: dict[str, str], job: str) -> str:
    return asked(slurm, "squeue", "--noheader", "--states=all", "--jobs", job, "--format=%T").strip()


def submitted(slurm: dict[str, str], folder: Path, *arguments: str) -> str:
    """Submit the quickstart. Returns the job."""
    said = said_by(quickstart("submit", "--on", "slurm", *arguments), folder, slurm)
    return said.partition("submitted as slurm ")[2].split()[0]


def test_a_run_on_two_nodes_ends_although_a_process_is_killed(slurm: dict[str, str], tmp_path: Path) -> None:
    job = submitted(slurm, tmp_path, "--num-nodes", "2", "--time", "10", *WATCHED)
    until(lambda: len(losses(tmp_path)) >= SAVED, lambda: logs(tmp_path))
    os.kill(trainers_on(1, tmp_path / "models/run")[0], signal.SIGKILL)
    until(lambda: state(slurm, job) in {"COMPLETED", "FAILED", "CANCELLED"}, lambda: logs(tmp_path))
    assert state(slurm, job) == "COMPLETED", logs(tmp_path)
    assert sorted(losses(tmp_path)) == list(range(1, STEPS + 1))
    assert "was killed by SIGKILL; going on from models/run/checkpoint-" in logs(tmp_path)
    assert "done" in said_by(recipe("status"), tmp_path)


def test_at_its_time_limit_a_run_saves_and_is_queued_and_a_stop_saves_and_is_not(
    slurm: dict[str, str], tmp_path: Path
) -> None:
    job = submitted(slurm, tmp_path, *WATCHED, "training.max_steps=5000")
    assert f"(slurm {job})" in said_by(recipe("status"), tmp_path)
    until(lambda: len(losses(tmp_path)) >= 3, lambda: logs(tmp_path))
    # What Slurm sends some minutes before the limit, which cannot be less than a minute.
    asked(slurm, "scancel", "--batch", "--signal=USR1", job)
    until(lambda: state(slurm, job) == "PENDING", lambda: logs(tmp_path))
    assert "stopped by SIGTERM; the newest checkpoint is" in logs(tmp_path)
    before = max(losses(tmp_path))
    until(lambda: max(losses(tmp_path)) > before, lambda: logs(tmp_path))
    assert f"going on from models/run/checkpoint-{before}" in logs(tmp_path)
    assert f"running (slurm {job})" in said_by(recipe("status"), tmp_path)
    said = said_by(recipe("stop", "run"), tmp_path, slurm)
    assert "stopped; saved checkpoint-" in said
    until(lambda: state(slurm, job) == "FAILED", lambda: state(slurm, job))  # with exit code 143, and not queued again
    assert "ExitCode=143:0" in asked(slurm, "scontrol", "show", "job", job)


def test_a_run_that_waits_can_be_looked_at_and_taken_out_of_the_queue(slurm: dict[str, str], tmp_path: Path) -> None:
    job = submitted(slurm, tmp_path, "--sbatch", "hold", *WATCHED)
    assert f"submitted (slurm {job})" in said_by(recipe("status"), tmp_path)
    assert "taken out of the queue" in said_by(recipe("stop", "run"), tmp_path, slurm)
    assert state(slurm, job) == "CANCELLED"
    assert "no run under models" in said_by(recipe("status"), tmp_path)
    submitted(slurm, tmp_path, "--sbatch", "hold", *WATCHED)  # the folder is free again


def test_what_slurm_refuses_is_said(slurm: dict[str, str], tmp_path: Path) -> None:
    command = quickstart("submit", "--on", "slurm", "--partition", "no-such", *WATCHED)
    done = subprocess.run(command, cwd=tmp_path, env=slurm, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "T515" in done.stderr
    assert "invalid partition" in done.stderr
    assert not (tmp_path / "models").exists()


def test_a_recipe_with_mistakes_is_not_submitted(slurm: dict[str, str], tmp_path: Path) -> None:
    command = quickstart("submit", "--on", "slurm", "training.learning_rte=1")
    done = subprocess.run(command, cwd=tmp_path, env=slurm, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "learning_rte" in done.stderr
    assert not (tmp_path / "logs").exists()
