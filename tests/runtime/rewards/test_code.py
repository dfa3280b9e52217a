"""Programs run in real processes: what they must not do is tried."""

from __future__ import annotations

import json
import os
import platform
import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from recipe_engine.compile import Options
from recipe_engine.data.errors import RowError
from recipe_engine.recipe.rewards import CodeReward
from recipe_engine.runtime.errors import RunError
from recipe_engine.runtime.rewards.code import Test as CodeTest
from recipe_engine.runtime.rewards.code import not_confined, outcome, program_in
from recipe_engine.runtime.rewards.code import tests_of as read_tests

from .support import Rewards, children

SETTINGS = CodeReward(type="code", timeout=2.0, memory_mb=256)
ADD = "def add(a, b):\n    return a + b\n"

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are confined on Linux")


def tried(program: str, settings: CodeReward = SETTINGS) -> str:
    """What becomes of a program that tries something, with a test that passes if it was let."""
    return outcome(f"{program}\n{ADD}", CodeTest(statements="assert add(1, 2) == 3"), settings)


def confined(*wanted: str) -> None:
    """Skip where this system does not offer a measure."""
    if missing := set(wanted) & set(not_confined(SETTINGS)):
        pytest.skip(f"this system does not offer: {missing}")


def test_a_signal_to_every_process_ends_no_program() -> None:
    """As Slurm sends it: whoever asks ends its step, for which it needs the outcome."""
    others = children()
    with ThreadPoolExecutor(1) as thread:
        asked = thread.submit(tried, "import time; time.sleep(0.5)")
        while not (programs := children() - others):
            time.sleep(0.01)
        time.sleep(0.2)  # it is running
        for pid in programs:
            os.kill(pid, signal.SIGTERM)
        assert asked.result() == "passed"


class TestScores:
    def test_a_program_that_passes_its_tests_is_worth_1(self, tmp_path: Path) -> None:
        good = f"So:\n```python\n{ADD}```\nThat is it."
        bad = good.replace("+", "-")
        tests = ["assert add(1, 2) == 3", "assert add(0, 0) == 0"]
        rewards = Rewards(tmp_path, {"type": "code"})
        assert rewards.scores([good, bad, "no program", ""], tests=[tests] * 4) == [1, 0, 0, 0]
        assert rewards.mean("rewards/code/timed_out") == 0

    def test_the_share_of_passed_tests_may_count(self, tmp_path: Path) -> None:
        tests = ["assert add(0, 0) == 0", "assert add(1, 2) == 3"]
        rewards = Rewards(tmp_path, {"type": "code", "score": "share"})
        assert rewards.scores([ADD.replace("+", "-")], tests=[tests]) == [0.5]

    def test_input_and_output_may_be_compared(self, tmp_path: Path) -> None:
        tests = {"inputs": ["1 2\n", "3 4"], "outputs": ["3\n", "7"]}
        program = "a, b = map(int, input().split())\nprint(a + b)"
        rewards = Rewards(tmp_path, {"type": "code"})
        assert rewards.scores([program, "print(3)"], tests=[tests, json.dumps(tests)]) == [1, 0]

    def test_a_program_that_ends_before_its_tests_has_not_passed_them(self) -> None:
        for program in ("raise SystemExit", "import os; os._exit(0)", "import sys; sys.exit(0)"):
            assert tried(program) == "failed"

    def test_libraries_of_the_environment_may_be_used(self) -> None:
        assert tried("import numpy; numpy.arange(3)", SETTINGS.model_copy(update={"timeout": 20.0})) == "passed"

    @pytest.mark.parametrize(
        ("text", "program"),
        [
            ("```python\na\n```\nor\n```python\nb\n```", "b\n"),
            ("```python\na\n```\nprints\n```\n3\n```", "a\n"),
            ("```\na\n```", "a\n"),
            ("a", "a"),
            ("~~~py\na\n~~~", "a\n"),
        ],
    )
    def test_the_last_python_block_is_the_program(self, text: str, program: str) -> None:
        assert program_in(text) == program


class TestRows:
    @pytest.mark.parametrize(
        "value",
        [
            "assert f(1)",
            ["assert f(1)", "assert f(2)"],
            [{"input": "1", "output": 2}],
            {"inputs": ["1"], "outputs": ["2"]},
        ],
    )
    def test_tests_are_read(self, tmp_path: Path, value: Any) -> None:
        assert read_tests(value)
        assert isinstance(value, str) or read_tests(json.dumps(value)) == read_tests(value)
        Rewards(tmp_path, {"type": "code"}).check({"tests": value})

    @pytest.mark.parametrize(
        "value",
        [None, "", [], "assert (", [3], {"inputs": ["1"]}, {"inputs": ["1"], "outputs": []}, [{"input": "1"}], 3],
    )
    def test_a_row_without_tests_is_named(self, tmp_path: Path, value: Any) -> None:
        with pytest.raises(RowError, match="column `tests`"):
            Rewards(tmp_path, {"type": "code"}).check({"tests": value})


class TestConfinement:
    def test_it_needs_a_word_on_the_command_line(self, tmp_path: Path) -> None:
        with pytest.raises(RunError, match="programs that the model writes") as caught:
            Rewards(tmp_path, {"type": "code"}, options=Options())
        assert "--allow-reward-code" in str(caught.value.hint)

    def test_the_log_says_how_far_it_goes(self, tmp_path: Path) -> None:
        (said,) = Rewards(tmp_path, {"type": "code"}).said
        missing = not_confined(SETTINGS)
        assert ("this system does not offer" in said) == bool(missing)
        assert all(one in said for one in missing)

    def test_an_endless_loop_is_ended(self) -> None:
        begin = time.monotonic()
        assert tried("while True: pass") == "timed out"
        assert time.monotonic() - begin < 10

    @pytest.mark.parametrize("program", ["x = [0] * 10**10", "l = []\nwhile True: l.append(bytearray(10**7))"])
    def test_memory_is_limited(self, program: str) -> None:
        assert tried(program, SETTINGS.model_copy(update={"timeout": 20.0})) == "failed"

    def test_output_is_limited(self) -> None:
        assert tried("while True: print('x' * 1000)", SETTINGS.model_copy(update={"timeout": 20.0})) == "failed"

    @pytest.mark.parametrize(
        "program",
        ["import os\nos.fork()", "import subprocess\nsubprocess.run(['/bin/true'])", "import os\nwhile 1: os.fork()"],
    )
    def test_no_process_can_be_started(self, program: str) -> None:
        confined("no child processes")
        assert tried(program) == "failed"

    def test_threads_can(self) -> None:
        assert tried("import threading\nt = threading.Thread(target=print); t.start(); t.join()") == "passed"

    def test_the_network_is_out_of_reach(self) -> None:
        confined("no sockets")
        assert tried("import socket\nsocket.socket()") == "failed"

    def test_nothing_outside_its_folder_can_be_written(self, tmp_path: Path) -> None:
        confined("read-only file system")
        (tmp_path / "victim").touch()
        tmp_path.chmod(0o777)
        assert tried(f"open({str(tmp_path / 'new')!r}, 'w')") == "failed"
        assert tried(f"import os\nos.remove({str(tmp_path / 'victim')!r})") == "failed"
        assert os.listdir(tmp_path) == ["victim"]
        assert tried("open('here', 'w').write('x')") == "passed"

    def test_no_signal_reaches_another_process(self) -> None:
        confined("no child processes")
        assert tried("import os\nos.kill(os.getppid(), 0)") == "failed"

    def test_the_environment_of_the_run_is_not_passed_on(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("WANDB_API_KEY", "secret")
        assert tried("import os\nassert 'WANDB_API_KEY' not in os.environ") == "passed"

    @pytest.mark.skipif(platform.machine() != "x86_64", reason="the number of a system call")
    def test_what_confines_it_cannot_be_undone(self) -> None:
        confined("read-only file system")
        remount = "import ctypes\nassert ctypes.CDLL(None).mount(None, b'/', None, 4096 | 32, None) == 0"
        assert tried(remount) == "failed"

    def test_files_are_gone_afterwards(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
        tried("open('here', 'w').write('x')")
        assert os.listdir(tmp_path) == []
