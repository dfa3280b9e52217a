"""Restarts after passing faults. The process that supervises is the real one; the worker does what a test wants."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from recipe_engine.compiled import CompiledRun
from recipe_engine.launch.asked import ONE_WISH_SECONDS
from recipe_engine.launch.attempts import attempts
from recipe_engine.launch.background import start_in_background
from recipe_engine.launch.run import log_path
from recipe_engine.launch.run_folder import write_run_folder

from .support import ROOT, SECONDS, is_running, stop, wait_for
from .test_background import SITE

Start = Callable[..., "Started"]

KILLED = "os.kill(os.getpid(), 9)"
COUNTS = """
import pathlib, signal, time
from recipe_engine.checkpoints import seal
file = pathlib.Path("starts")
start = int(file.read_text()) + 1 if file.exists() else 1
if os.environ.get("RANK", "0") == "0":
    pathlib.Path("starts.new").write_text(str(start))
    os.replace("starts.new", file)  # the other one may be reading it
out = pathlib.Path(sys.orig_argv[-1]).parents[1]
def save(step):
    made = out / f"checkpoint-{step}"
    made.mkdir()
    (made / "trainer_state.json").write_text("{}")
    seal(made)
def done(): (out / "run/finished").touch()
"""


class Started:
    """A supervised run whose worker runs ``code``."""

    def __init__(self, run: CompiledRun, code: str, launch: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
        Path("site").mkdir()
        Path("site/sitecustomize.py").write_text(SITE)
        monkeypatch.setenv("PYTHONPATH", f"{Path.cwd()}/site:{ROOT}")
        monkeypatch.setenv("WORKER", COUNTS + code)
        settings = {"restart_seconds": 0.05, **launch}
        processes = settings.pop("processes", 1)
        self.run = run.model_copy(update={"processes": processes, "launch": run.launch.model_copy(update=settings)})
        compiled, lock = write_run_folder(self.run, {}, overwrite=False)
        self.log_file = log_path(self.run)
        self.process = start_in_background(compiled, self.log_file, lock)
        lock.release()

    @property
    def log(self) -> str:
        return self.log_file.read_text(encoding="utf-8")

    def end(self) -> int:
        return self.process.wait(timeout=SECONDS)

    @property
    def starts(self) -> int:
        return int(Path("starts").read_text())

    @property
    def attempts(self) -> list[dict[str, Any]]:
        return attempts(Path(self.run.run_dir))


@pytest.fixture
def start(run: CompiledRun, monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    made: list[Started] = []

    def started(code: str, **launch: Any) -> Started:
        made.append(Started(run, code, launch, monkeypatch))
        return made[-1]

    yield started
    for one in made:
        if one.process.poll() is None:
            one.process.kill()
            one.process.wait()
    for file in Path().glob("pid-?"):
        stop(int(file.read_text()))


def test_a_killed_worker_is_started_again_and_the_run_ends_well(start: Start) -> None:
    run = start(f"done() if start == 2 else {KILLED}")
    assert run.end() == 0
    assert "recipe: killed (SIGKILL); going on from the beginning in 0.05 s (restart 1 of 3)\n" in run.log
    assert run.log.count("recipe: done") == 1
    first, second = run.attempts
    assert (first["restart"], first["code"], first["reason"]) == (0, 137, "killed (SIGKILL)")
    assert (second["restart"], second["code"], second["reason"]) == (1, 0, "")


def test_it_goes_on_from_the_newest_whole_checkpoint_that_the_run_has_saved(start: Start, run: CompiledRun) -> None:
    code = "import json; print('from', json.load(open(sys.orig_argv[-1]))['checkpoint'], flush=True)\n"
    run_ = start(f"{code}if start == 3: done()\nelse: save(10 * start); {KILLED}", restarts=1)
    assert run_.end() == 0  # two restarts: a checkpoint came between them
    begun = [line.removeprefix("from ") for line in run_.log.splitlines() if line.startswith("from ")]
    assert begun == ["None", f"{run.output_dir}/checkpoint-10", f"{run.output_dir}/checkpoint-20"]
    assert run_.log.count("(restart 1 of 1)") == 2
    assert [one["checkpoint"] for one in run_.attempts] == [None, *begun[1:]]


def test_the_number_of_restarts_in_a_row_is_bounded_and_each_pause_is_twice_as_long(start: Start) -> None:
    began = time.monotonic()
    run = start(f"save(10) if start == 1 else None; {KILLED}", restarts=2, restart_seconds=0.4)
    assert run.end() == 137
    # The first attempt saved a checkpoint, and those after it none: two restarts from there.
    assert run.starts == 3
    assert time.monotonic() - began > 1.2
    assert "in 0.4 s (restart 1 of 2)" in run.log
    assert "in 0.8 s (restart 2 of 2)" in run.log
    assert "memory runs out" in run.log


@pytest.mark.parametrize("code", [1, 2, 130, 143])
def test_what_is_no_passing_fault_is_never_started_again(start: Start, code: int) -> None:
    run = start(f"os._exit({code})")
    assert run.end() == code
    assert run.starts == 1
    assert "restart" not in run.log


@pytest.mark.parametrize(
    "fault",
    [
        "os._exit(75)",
        "os.kill(os.getpid(), signal.SIGSEGV)",
        "os.kill(os.getpid(), signal.SIGBUS)",
        "print('The server socket has failed to listen: EADDRINUSE', flush=True); os._exit(1)",
    ],
)
def test_passing_faults_are(start: Start, fault: str) -> None:
    run = start(f"done() if start == 2 else {fault.replace('; os', ' or os')}")
    assert run.end() == 0
    assert run.starts == 2


def test_a_signal_during_the_pause_ends_the_run_at_once(start: Start) -> None:
    run = start(KILLED, restart_seconds=600)
    wait_for(lambda: "restart 1 of 3" in run.log)
    run.process.send_signal(signal.SIGTERM)
    assert run.end() == 143
    assert run.starts == 1
    assert run.attempts[-1]["code"] == 143
    assert "recipe: stopped by SIGTERM; " in run.log


def test_no_restart_follows_a_signal_of_the_user_whatever_the_worker_ends_with(start: Start) -> None:
    said = "print('The server socket has failed to listen: EADDRINUSE', flush=True)\n"
    code = "signal.signal(signal.SIGTERM, lambda *_: os._exit(75)); open('ready', 'w')\nwhile True: time.sleep(1)"
    run = start(said + code)
    wait_for(lambda: Path("ready").exists())
    run.process.send_signal(signal.SIGTERM)
    assert run.end() == 143
    assert run.starts == 1


BEATS = """
from recipe_engine.progress import Heart
import faulthandler
heart = Heart(out / "run", 0)
heart.beat(0, "loading")
faulthandler.register(signal.SIGUSR1, heart.stacks.open("w"))
def stuck_here(): time.sleep(300)
"""


def test_a_run_in_which_nothing_moves_shows_where_it_stands_and_is_started_again(start: Start) -> None:
    code = (
        "if start == 2: done()\nelse:\n  for _ in range(9): heart.beat(7, 'sampling'); time.sleep(0.1)\n  stuck_here()"
    )
    run = start(BEATS + code, hang_minutes=0.01)
    assert run.end() == 0
    reason = "nothing has moved for 0.01 minutes: the process is in step 8 (sampling)"
    assert f"recipe: {reason}; going on from the beginning" in run.log
    assert "process 0, in step 8 (sampling), stands at:\n" in run.log
    assert "in stuck_here" in run.log
    assert run.attempts[0]["reason"] == reason


def test_loading_and_what_follows_the_last_step_have_no_such_limit(start: Start) -> None:
    run = start(BEATS + "time.sleep(2)\nheart.beat(9, 'finishing'); time.sleep(2)\ndone()", hang_minutes=0.01)
    assert run.end() == 0
    assert run.starts == 1


TWO = """
rank = os.environ["RANK"]
def saves(*_):
    time.sleep(0.3)
    open(f"saved-{rank}", "w")
    os._exit(143)
signal.signal(signal.SIGTERM, saves)
open(f"pid-{rank}.new", "w").write(str(os.getpid()))
os.rename(f"pid-{rank}.new", f"pid-{rank}")
while True: time.sleep(0.01)
"""


class TestTwoProcesses:
    """The chain from the process that the user knows, over the launcher, to those that train."""

    @pytest.fixture
    def two(self, start: Start) -> Started:
        run = start(TWO, processes=2, hang_minutes=10)
        wait_for(lambda: Path("pid-0").exists() and Path("pid-1").exists())
        return run

    @property
    def trainers(self) -> list[int]:
        return [int(Path(f"pid-{rank}").read_text()) for rank in range(2)]

    def test_a_signal_lets_both_save(self, two: Started) -> None:
        two.process.send_signal(signal.SIGTERM)
        assert two.end() == 143
        assert Path("saved-0").exists()
        assert Path("saved-1").exists()
        assert two.starts == 1
        assert "restart" not in two.log

    def test_a_second_one_ends_both_at_once(self, two: Started) -> None:
        for pid in self.trainers:
            os.kill(pid, signal.SIGSTOP)
        two.process.send_signal(signal.SIGTERM)
        time.sleep(ONE_WISH_SECONDS + 0.2)
        assert two.process.poll() is None
        two.process.send_signal(signal.SIGTERM)
        assert two.end() == 143
        assert [pid for pid in self.trainers if is_running(pid)] == []

    def test_what_supervises_is_killed_and_both_save(self, two: Started) -> None:
        two.process.kill()
        two.process.wait()
        wait_for(lambda: not any(map(is_running, self.trainers)))
        assert Path("saved-0").exists()
        assert Path("saved-1").exists()
        from recipe_engine.launch.lock import holder

        wait_for(lambda: holder(Path(two.run.run_dir)) is None)

    def test_a_hang_up_ends_neither(self, two: Started) -> None:
        for pid in (two.process.pid, *self.trainers):
            os.kill(pid, signal.SIGHUP)
        time.sleep(0.5)
        assert all(map(is_running, [two.process.pid, *self.trainers]))
        two.process.send_signal(signal.SIGTERM)
        assert two.end() == 143

    def test_one_that_is_killed_ends_the_other_and_both_are_started_again(self, two: Started) -> None:
        before = self.trainers
        os.kill(before[1], signal.SIGKILL)
        wait_for(lambda: not set(self.trainers) & set(before))
        assert f"recipe: process 1 ({before[1]}) was killed by SIGKILL; going on" in two.log
        assert [pid for pid in before if is_running(pid)] == []
        two.process.send_signal(signal.SIGTERM)
        assert two.end() == 143


def test_the_lock_is_held_during_the_pause(start: Start) -> None:
    from recipe_engine.launch.lock import holder

    run = start(KILLED, restart_seconds=600)
    wait_for(lambda: "restart 1 of 3" in run.log)
    found = holder(Path(run.run.run_dir))
    assert found is not None
    assert (found.pid, found.is_here) == (run.process.pid, True)
    run.process.send_signal(signal.SIGTERM)
    run.end()
