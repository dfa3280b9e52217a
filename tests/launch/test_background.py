"""``--nohup`` without a training: the worker's module is replaced by one that does what a test wants.

The supervising process is the real one, started as the command line starts it.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from recipe_engine.compiled import FINISHED, CompiledRun
from recipe_engine.launch import background
from recipe_engine.launch.background import start_in_background, watch_start
from recipe_engine.launch.detached import pid_file_of
from recipe_engine.launch.errors import LaunchError
from recipe_engine.launch.run import log_path
from recipe_engine.launch.run_folder import demand_free, write_run_folder
from tests.compile.support import SFT, compiled

from .support import ROOT, is_running, wait_for

# Stands in the way of recipe_engine.runtime, in whose place it is started.
SITE = """
import os, sys
if "recipe_engine.runtime" in sys.orig_argv:
    open("worker.pid", "w").write(str(os.getpid()))
    print("worker", sys.orig_argv[-1], flush=True)
    exec(os.environ["WORKER"])
    sys.stdout.flush()
    os._exit(0)
"""


class Started:
    """A run in the background."""

    def __init__(self, run: CompiledRun, worker: str, monkeypatch: pytest.MonkeyPatch) -> None:
        Path("site").mkdir()
        Path("site/sitecustomize.py").write_text(SITE)
        monkeypatch.setenv("PYTHONPATH", f"{Path.cwd()}/site:{ROOT}")
        monkeypatch.setenv("WORKER", worker)
        compiled_file, lock = write_run_folder(run, {}, overwrite=False)
        self.log = log_path(run)
        self.process = start_in_background(compiled_file, self.log, lock)
        lock.release()  # the caller's end of it; the run keeps its own

    @property
    def worker(self) -> int:
        wait_for(lambda: Path("worker.pid").exists() and Path("worker.pid").read_text())
        return int(Path("worker.pid").read_text())


@pytest.fixture
def start(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Started]]:
    made: list[Started] = []

    class Watched(Started):
        def __init__(self, run: CompiledRun, worker: str) -> None:
            super().__init__(run, worker, monkeypatch)
            made.append(self)

    yield Watched  # type: ignore[misc]
    for one in made:
        if one.process.poll() is None:
            one.process.kill()
            one.process.wait()
        pid = Path("worker.pid")
        if pid.exists() and is_running(int(pid.read_text())):
            os.kill(int(pid.read_text()), signal.SIGKILL)


def test_it_runs_in_a_session_of_its_own_and_writes_the_log(run: CompiledRun, start: type[Started]) -> None:
    started = start(run, "print('stepping', flush=True); import time; time.sleep(300)")
    worker = started.worker
    assert os.getsid(started.process.pid) == started.process.pid
    wait_for(lambda: "stepping" in started.log.read_text())
    assert started.log.read_text().startswith(f"worker {run.run_dir}/compiled.json\n")
    assert pid_file_of(started.log).read_text() == f"{started.process.pid}\n"
    assert is_running(worker)


def test_killing_the_process_that_was_named_stops_all(run: CompiledRun, start: type[Started]) -> None:
    started = start(run, "import time; time.sleep(300)")
    worker = started.worker
    os.kill(started.process.pid, signal.SIGTERM)
    assert started.process.wait(timeout=30) == 143
    assert not is_running(worker)
    assert not pid_file_of(started.log).exists()
    assert "recipe: stopped by SIGTERM; no checkpoint was saved\n" in started.log.read_text()


def test_the_end_of_the_shell_does_not_end_it(run: CompiledRun, start: type[Started]) -> None:
    started = start(run, "import time; time.sleep(300)")
    worker = started.worker
    os.kill(started.process.pid, signal.SIGHUP)
    os.kill(worker, signal.SIGHUP)
    with pytest.raises(subprocess.TimeoutExpired):
        started.process.wait(timeout=0.7)
    assert is_running(worker)


def test_it_keeps_the_lock_after_the_command_that_started_it_has_ended(run: CompiledRun, start: type[Started]) -> None:
    started = start(run, "import time; time.sleep(300)")
    assert started.worker
    with pytest.raises(
        LaunchError,
        match=rf"in use by a run that is going on \(process {started.process.pid} on {socket.gethostname()}\)",
    ):
        demand_free(run, overwrite=True)
    os.kill(started.process.pid, signal.SIGTERM)
    started.process.wait(timeout=30)
    demand_free(run, overwrite=True)


def test_a_good_end_is_in_the_log_with_the_next_command(run: CompiledRun, start: type[Started]) -> None:
    started = start(run, f"open({str(Path(run.run_dir, FINISHED))!r}, 'w').close()")
    assert started.process.wait(timeout=30) == 0
    assert "recipe: done\n" in started.log.read_text()
    assert not pid_file_of(started.log).exists()


def test_a_worker_that_ends_early_without_an_error_is_no_success(run: CompiledRun, start: type[Started]) -> None:
    started = start(run, "pass")
    assert started.process.wait(timeout=30) == 1
    assert "error: the worker ended early" in started.log.read_text()
    assert "done" not in started.log.read_text()


@pytest.mark.parametrize(("worker", "code"), [("os._exit(5)", 5), ("os.kill(os.getpid(), 9)", 137)])
def test_an_end_within_the_first_seconds_is_told(
    run: CompiledRun, start: type[Started], worker: str, code: int
) -> None:
    once = run.model_copy(update={"launch": run.launch.model_copy(update={"restarts": 0})})
    started = start(once, worker)
    assert watch_start(started.process, Path("metrics.jsonl")) == code


def test_watching_ends_with_the_first_step(run: CompiledRun, start: type[Started]) -> None:
    started = start(run, "open('metrics.jsonl', 'w').write('{}'); import time; time.sleep(300)")
    assert watch_start(started.process, Path("metrics.jsonl")) is None


def test_the_steps_of_a_resumed_run_are_not_taken_for_new_ones(run: CompiledRun, start: type[Started]) -> None:
    Path("metrics.jsonl").write_text("{}\n")
    started = start(run, "import time; time.sleep(0.5); os._exit(7)")
    assert watch_start(started.process, Path("metrics.jsonl")) == 7


def test_watching_does_not_last_for_ever(
    run: CompiledRun, start: type[Started], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(background, "FIRST_SECONDS", 0.3)
    assert watch_start(start(run, "import time; time.sleep(300)").process, Path("metrics.jsonl")) is None


@pytest.mark.parametrize("name", ["with space", "semi;colon$(touch pwned)`touch pwned`", 'quote\'s "double"', "-rf"])
def test_names_are_never_interpreted(name: str, start: type[Started]) -> None:
    file = f"{name}.yaml"
    run = compiled(SFT, file=file)
    started = start(run, f"open({str(Path(run.run_dir, FINISHED))!r}, 'w').close()")
    assert started.process.wait(timeout=30) == 0
    assert started.log.read_text().startswith(f"worker {run.run_dir}/compiled.json\n")
    assert not list(Path.cwd().rglob("pwned"))


def test_logs_of_starts_within_one_second_have_names_of_their_own(run: CompiledRun) -> None:
    paths = {log_path(run) for _ in range(3)}
    assert len(paths) == 3
    assert all(path.parent == Path.cwd() / "logs" and path.name.startswith("recipe-") for path in paths)


def test_the_python_of_the_caller_is_used(run: CompiledRun, start: type[Started]) -> None:
    started = start(run, "print(sys.executable)")
    started.process.wait(timeout=30)
    assert sys.executable in started.log.read_text()
