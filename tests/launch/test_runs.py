"""What the files of a run say of it, and which process is its own: numbers are given again, machines share folders."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from recipe_engine.checkpoints import STAGING
from recipe_engine.compiled import CompiledRun
from recipe_engine.launch import attempts
from recipe_engine.launch.group import processes_of
from recipe_engine.launch.lock import lock
from recipe_engine.launch.run_folder import write_run_folder
from recipe_engine.launch.runs import status_of
from tests.compile.support import SFT

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks processes up in /proc")


@pytest.fixture
def folder(run: CompiledRun) -> Path:
    """The output folder of a run that was started, and whose lock nobody holds."""
    write_run_folder(run, {"recipe.yaml": SFT}, overwrite=False)[1].release()
    attempts.begin(run, Path("a.log"))
    return Path(run.output_dir)


@contextmanager
def running(*descriptors: int) -> Iterator[int]:
    """A process that looks like one of the engine's and has inherited these descriptors; its number."""
    command = [sys.executable, "-c", "print(flush=True); input()", "recipe_engine.runtime"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, pass_fds=descriptors) as process:
        assert process.stdout is not None
        process.stdout.readline()  # it is there
        yield process.pid
        process.kill()


@contextmanager
def held(run: CompiledRun, text: str) -> Iterator[int]:
    """The run's lock, held by a process of its own, with ``text`` in its file."""
    taken = lock(run)
    os.ftruncate(taken.descriptor, 0)
    os.pwrite(taken.descriptor, text.encode(), 0)
    with running(taken.descriptor) as pid:
        taken.release()
        yield pid


def metrics(folder: Path, step: int, ago: float) -> None:
    line = {"step": step, "max_steps": 10, "time": time.time() - ago, "loss": 1.0}
    with (folder / "run/metrics.jsonl").open("a") as stream:
        stream.write(json.dumps(line) + "\n")


def test_a_number_in_a_lock_that_nobody_holds_means_nothing(folder: Path) -> None:
    """As after a reboot, when the number has become another process's."""
    with running() as other:
        (folder / "run/lock").write_text(f"{other} {os.uname().nodename}\n")
        status = status_of(folder)
        assert (status.state, status.pid) == ("died", None)


def test_what_is_signalled_is_the_runs_own_even_if_its_launchers_number_is_another_runs(
    run: CompiledRun, folder: Path
) -> None:
    with running() as other, held(run, f"{other} {os.uname().nodename}\n") as worker:
        assert status_of(folder).pid == other
        assert processes_of(other, folder) == [worker]


def test_a_run_of_another_machine_is_seen_and_no_process_of_this_one_is_taken_for_it(
    run: CompiledRun, folder: Path
) -> None:
    taken = lock(run)  # by this process, which stands for the other machine: it is none of the engine's
    os.ftruncate(taken.descriptor, 0)
    with running() as mine:
        os.pwrite(taken.descriptor, f"{mine} elsewhere\n".encode(), 0)
        status = status_of(folder)
        assert (status.state, status.host) == ("running", "elsewhere")
        assert processes_of(status.pid, folder) == []
    taken.release()


def test_the_phase_of_a_run(run: CompiledRun, folder: Path) -> None:
    assert status_of(folder).phase is None
    metrics(folder, 2, ago=1000)  # before it was started again
    with held(run, "1\n"):
        assert status_of(folder).phase == "starting"
        metrics(folder, 3, ago=-1)
        assert status_of(folder).phase == "training"
        (folder / STAGING).mkdir()
        assert status_of(folder).phase == "saving"
        (folder / STAGING).rmdir()
        metrics(folder, 10, ago=-2)
        assert status_of(folder).phase == "ending"
