"""The launcher of several processes, with real processes that do what a test wants."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from recipe_engine.compiled import CompiledRun
from recipe_engine.launch.command import COMPILED
from recipe_engine.launch.failure import take_failure

from .support import ROOT, SECONDS, is_running, stop, wait_for

_PRELUDE = """
import os, signal, sys, time
rank, world = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
open(f"pid-{rank}", "w").write(str(os.getpid()))
"""


class Started:
    """A launcher, whose processes run ``code``."""

    def __init__(self, run: CompiledRun, code: str, processes: int = 2, **environment: str) -> None:
        Path("worker.py").write_text(_PRELUDE + code)
        self.run = run.model_copy(update={"processes": processes})
        self.processes = processes
        self.compiled = Path(run.run_dir, COMPILED)
        self.compiled.parent.mkdir(parents=True, exist_ok=True)
        self.compiled.write_text(self.run.model_dump_json(), encoding="utf-8")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "recipe_engine.launch.ranks", str(self.compiled), "worker"],
            env={**os.environ, "PYTHONPATH": f"{ROOT}:{Path.cwd()}", "PYTHONUNBUFFERED": "1", **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            text=True,
        )

    def pid(self, rank: int) -> int:
        file = Path(f"pid-{rank}")
        wait_for(lambda: file.exists() and file.read_text())
        return int(file.read_text())

    def end(self) -> tuple[int, str]:
        out, _ = self.process.communicate(timeout=SECONDS)
        return self.process.returncode, out


@pytest.fixture(autouse=True)
def _nothing_is_left() -> Iterator[None]:
    yield
    left = [pid for file in Path().glob("pid-*") if is_running(pid := int(file.read_text()))]
    for pid in left:
        stop(pid)
    assert left == []


def test_each_process_is_told_its_place_and_where_all_meet(run: CompiledRun) -> None:
    code = """
import json, socket
names = ["LOCAL_RANK", "LOCAL_WORLD_SIZE", "NODE_RANK", "GROUP_RANK", "MASTER_ADDR", "MASTER_PORT"]
open(f"place-{rank}", "w").write(json.dumps([rank, world, *(os.environ[name] for name in names), sys.argv[1:]]))
"""
    started = Started(run, code, processes=3)
    assert started.end() == (0, "")
    places = [json.loads(Path(f"place-{rank}").read_text()) for rank in range(3)]
    assert [place[:6] for place in places] == [[rank, 3, str(rank), "3", "0", "0"] for rank in range(3)]
    assert {place[6] for place in places} == {"127.0.0.1"}
    (port,) = {place[7] for place in places}
    assert 1024 <= int(port) < 65536
    assert [place[8] for place in places] == [[str(started.compiled)]] * 3
    assert take_failure(started.compiled.parent, 0) is None


def test_the_second_machine_has_the_later_ranks(run: CompiledRun) -> None:
    two = run.model_copy(update={"nodes": 2})
    place = {"NODE_RANK": "1", "MASTER_ADDR": "10.0.0.1", "MASTER_PORT": "4711"}
    started = Started(two, "print(rank, world, os.environ['LOCAL_RANK'], os.environ['MASTER_ADDR'])", 4, **place)
    code, out = started.end()
    assert code == 0
    assert sorted(out.splitlines()) == ["2 4 0 10.0.0.1", "[process 3] 3 4 1 10.0.0.1"]


class TestWhatIsShown:
    def test_a_line_that_all_say_is_shown_once_beside_the_first_processs_own(self, run: CompiledRun) -> None:
        code = "print('a warning', flush=True); time.sleep(0.1 * rank); print(f'only {rank}', file=sys.stderr)"
        _, out = Started(run, code, processes=3).end()
        lines = set(out.splitlines())
        assert len(lines) == 5
        assert lines > {"a warning", "only 0", "[process 1] only 1", "[process 2] only 2"}
        assert out.count("a warning") == 2

    def test_the_failed_process_is_named_last_and_those_that_lost_it_do_not_bury_its_error(
        self, run: CompiledRun
    ) -> None:
        code = """
if rank == 5:
    while not all(os.path.exists(f"ready-{other}") for other in range(8) if other != 5): time.sleep(0.01)
    print("Traceback ...", file=sys.stderr)
    print("error: no such reward", file=sys.stderr)
    sys.exit(1)
signal.signal(signal.SIGTERM, lambda *_: [print(f"connection {i} of {rank} lost") for i in range(50)] and sys.exit(1))
open(f"ready-{rank}", "w").close()
while True: time.sleep(0.01)
"""
        started = Started(run, code, processes=8)
        code_of, out = started.end()
        assert code_of == 1
        others = [line for line in out.splitlines() if "[process" in line and "[process 5]" not in line]
        assert others == []
        pid = started.pid(5)
        error, left_out, last = [line for line in out.splitlines() if not line.startswith("connection")][-3:]
        assert error == "[process 5] error: no such reward"
        assert left_out == "(300 lines of the other processes after that are left out)"
        assert last == f"process 5 ({pid}) ended with exit code 1; the others were ended"
        failure = take_failure(started.compiled.parent, 0)
        assert failure is not None
        assert (failure.rank, failure.pid, failure.exit_code, failure.error) == (5, pid, 1, "no such reward")


class TestAFailure:
    @pytest.mark.parametrize("rank", [0, 1])
    def test_a_killed_process_ends_the_others_and_is_named(self, run: CompiledRun, rank: int) -> None:
        started = Started(run, "time.sleep(300)")
        pid = started.pid(rank)
        started.pid(1 - rank)
        os.kill(pid, signal.SIGKILL)
        code, out = started.end()
        assert code == 137
        assert out.endswith(f"process {rank} ({pid}) was killed by SIGKILL; the others were ended\n")

    def test_one_that_ignores_the_end_is_killed(self, run: CompiledRun) -> None:
        deaf = "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        Path("sitecustomize.py").write_text("import recipe_engine.launch.ranks as r; r.TERM_SECONDS = 0.5")
        started = Started(run, f"if rank: {deaf}open('deaf', 'w')\nif rank: time.sleep(300)\n" + _WHEN_DEAF)
        assert started.end()[0] == 3

    def test_the_cause_is_told_from_the_connection_that_others_lost_by_it(self, run: CompiledRun) -> None:
        code = "if rank == 0: sys.exit(75)\ntime.sleep(0.3)\nos.kill(os.getpid(), signal.SIGSEGV)"
        started = Started(run, code)
        code_of, out = started.end()
        assert code_of == 139
        assert f"process 1 ({started.pid(1)}) was killed by SIGSEGV" in out

    def test_a_lost_connection_alone_is_a_passing_fault(self, run: CompiledRun) -> None:
        Path("sitecustomize.py").write_text("import recipe_engine.launch.ranks as r; r.CAUSE_SECONDS = 0.3")
        assert Started(run, "if rank == 1: sys.exit(75)\ntime.sleep(300)").end()[0] == 75

    def test_processes_that_saved_and_stopped_are_waited_for(self, run: CompiledRun) -> None:
        code = "if rank == 1: sys.exit(143)\ntime.sleep(1)\nprint('saved')\nsys.exit(143)"
        assert Started(run, code).end() == (143, "saved\n")


_WHEN_DEAF = "while not os.path.exists('deaf'): time.sleep(0.01)\nsys.exit(3)"
_SAVES = """
def save(number, _):
    open(f"signals-{rank}", "a").write("x")
    time.sleep(0.5)
    print("saved", flush=True)
    sys.exit(143)
signal.signal(signal.SIGTERM, save)
print("ready", flush=True)
open(f"ready-{rank}", "w")
while True: time.sleep(0.01)
"""


class TestSignals:
    def test_sigterm_to_the_launcher_reaches_all_once(self, run: CompiledRun) -> None:
        started = Started(run, _SAVES)
        wait_for(lambda: len(list(Path().glob("ready-*"))) == 2)
        started.process.terminate()
        code, out = started.end()
        assert code == 143
        assert out.count("saved") == 2
        assert "[process 1] saved" in out
        assert [Path(f"signals-{rank}").read_text() for rank in range(2)] == ["x", "x"]

    def test_a_killed_launcher_takes_its_processes_along_and_they_can_save(self, run: CompiledRun) -> None:
        started = Started(run, _SAVES.replace('print("saved", flush=True)', 'open(f"saved-{rank}", "w")'))
        pids = [started.pid(0), started.pid(1)]
        wait_for(lambda: len(list(Path().glob("ready-*"))) == 2)
        started.process.kill()
        started.process.wait()
        wait_for(lambda: not any(map(is_running, pids)))
        assert len(list(Path().glob("saved-*"))) == 2

    def test_ctrl_c_in_a_terminal_is_not_passed_on_a_second_time(self, run: CompiledRun) -> None:
        code = _SAVES.replace("signal.SIGTERM", "signal.SIGINT").replace("143", "130")
        started = Started(run, code)
        wait_for(lambda: len(list(Path().glob("ready-*"))) == 2)
        os.killpg(started.process.pid, signal.SIGINT)  # as a terminal does
        code_of, out = started.end()
        assert code_of == 130
        assert out.count("saved") == 2
        assert [Path(f"signals-{rank}").read_text() for rank in range(2)] == ["x", "x"]


def test_it_starts_in_a_moment_without_torch() -> None:
    code = "import sys, recipe_engine.launch.ranks; print([n for n in ('torch', 'transformers') if n in sys.modules])"
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, check=True
    )
    assert done.stdout == b"[]\n"
    assert time.monotonic() - began < 10
