"""1 where the program in the answer passes its tests, else 0: each test in a confined process of its own."""

from __future__ import annotations

import json
import math
import os
import secrets
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recipe_engine.data.cells import cell
from recipe_engine.data.errors import RowError
from recipe_engine.recipe.rewards import CodeReward
from recipe_engine.runtime.errors import RunError
from recipe_engine.runtime.rewards.cells import column
from recipe_engine.runtime.rewards.context import RewardContext
from recipe_engine.runtime.rewards.scores import Columns, RowCheck, Say, Scored, Scorer
from recipe_engine.runtime.rewards.text import Completions, last_block, text_of
from recipe_engine.runtime.spared import spared

_SANDBOX = Path(__file__).with_name("sandbox.py")
_FILE_MB = 4
_OUTPUT_BYTES = 1 << 20
"""What is read of a program's output; more than that is not what a test expects."""


@dataclass(frozen=True, slots=True)
class Test:
    """One test: statements to run after the program, or input and the output that it must give."""

    statements: str | None = None
    given: str = ""
    expected: str = ""


def make(settings: CodeReward, run: RewardContext, say: Say) -> Scorer:
    """The scorer.

    Raises:
        RunError: the command line did not allow it, or confined processes do not start here.
    """
    if not run.allow_reward_code:
        raise RunError(
            f"reward {settings.label}: training would run the programs that the model writes",
            hint="start with --allow-reward-code, best in a container without credentials",
        )
    missing = not_confined(settings)
    confined = "processes with limits on time, memory and file size"
    if missing:
        say(f"reward {settings.label}: programs run in {confined}; this system does not offer: {', '.join(missing)}")
    else:
        say(f"reward {settings.label}: programs run in {confined}, without network, child processes or files to write")

    def score(completions: Completions, columns: Columns) -> list[Scored]:
        cells = column(columns, settings.tests_column, len(completions))
        programs = [program_in(text_of(completion)) for completion in completions]
        jobs = [
            (index, program, test)
            for index, (program, value) in enumerate(zip(programs, cells, strict=True))
            for test in tests_of(value)
        ]
        results: list[list[str]] = [[] for _ in completions]
        with ThreadPoolExecutor(settings.concurrency) as threads:
            done = threads.map(lambda job: outcome(job[1], job[2], settings), jobs)
            for (index, _, _), result in zip(jobs, done, strict=True):
                results[index].append(result)
        return [_scored(found, settings) for found in results]

    return score


def row_check(settings: CodeReward, run: RewardContext) -> RowCheck:
    """The check that a row holds tests."""

    def check(row: Mapping[str, Any]) -> None:
        value = cell(row, settings.tests_column)
        if value is None:
            raise RowError(settings.tests_column, "is missing, and the reward code runs the tests in it")
        try:
            found = tests_of(value)
        except ValueError as error:
            raise RowError(settings.tests_column, f"holds no tests for the reward code: {error}") from error
        if not found:
            raise RowError(settings.tests_column, "holds no tests for the reward code")

    return check


def program_in(text: str) -> str:
    """The program of an answer: its last Python code block, else its last code block, else all of it."""
    for languages in (("python", "py", "python3"), ("",)):
        block = last_block(text, languages)
        if block is not None:
            return block
    return text


def tests_of(value: Any) -> list[Test]:
    """The tests of a cell.

    Raises:
        ValueError: it holds something else.
    """
    if isinstance(value, str) and value.lstrip()[:1] in {"[", "{"}:
        with suppress(ValueError):  # statements may begin so too
            value = json.loads(value)
    if isinstance(value, str):
        value = [value]
    if isinstance(value, Mapping):
        inputs, outputs = value.get("inputs"), value.get("outputs")
        if not isinstance(inputs, list) or not isinstance(outputs, list) or len(inputs) != len(outputs):
            raise ValueError("it needs `inputs` and `outputs`, two lists of one length")
        value = [{"input": given, "output": output} for given, output in zip(inputs, outputs, strict=True)]
    if not isinstance(value, list):
        raise ValueError(f"{type(value).__name__} is neither statements nor pairs of input and output")
    return [_test(one) for one in value if not (isinstance(one, str) and not one.strip())]


def _test(value: Any) -> Test:
    if isinstance(value, str):
        try:
            compile(value, "test", "exec")
        except (SyntaxError, ValueError) as error:
            raise ValueError(f"a test is no Python: {error}") from error
        return Test(statements=value)
    if isinstance(value, Mapping) and {"input", "output"} <= value.keys():
        return Test(given=_as_text(value["input"]), expected=_as_text(value["output"]))
    raise ValueError("a test is a text of statements, or a mapping with `input` and `output`")


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else "\n".join(map(str, value)) if isinstance(value, list) else str(value)


def outcome(program: str, test: Test, settings: CodeReward) -> str:
    """``passed``, ``failed`` or ``timed out``."""
    mark = secrets.token_hex(16)
    source = program
    if test.statements is not None:
        # A program that ends the process early must not count as passed: the mark is printed after the tests.
        source = f"{program}\n\n{test.statements}\nimport sys as _sys\n_sys.stdout.write('\\n{mark}')\n"
    output = _run(source, test.given, settings)
    if output is None:
        return "timed out"
    code, text = output
    if test.statements is not None:
        return "passed" if code == 0 and mark in text else "failed"
    return "passed" if code == 0 and _lines(text) == _lines(test.expected) else "failed"


def _lines(text: str) -> list[str]:
    return [line.rstrip() for line in text.strip().splitlines()]


def not_confined(settings: CodeReward) -> list[str]:
    """What confined processes are not kept from on this system.

    Raises:
        RunError: they do not start.
    """
    output = _run("", "", settings.model_copy(update={"timeout": 60.0}), report=True)
    if output is None or output[0] != 0:
        hint = f"raise memory_mb, which is {settings.memory_mb}" if settings.memory_mb < 256 else None
        raise RunError(f"reward {settings.label}: a confined Python process does not start here", hint)
    missing: list[str] = json.loads(output[1])
    return missing


def _run(source: str, given: str, settings: CodeReward, *, report: bool = False) -> tuple[int, str] | None:
    """Run a program confined. Its exit code and output; none where it took too long."""
    with tempfile.TemporaryDirectory(prefix="recipe-code-") as folder:
        file = Path(folder, "program.py")
        file.write_text(source, encoding="utf-8", errors="replace")
        limits = {
            "memory_mb": settings.memory_mb,
            "cpu_seconds": math.ceil(settings.timeout) + 1,
            "file_mb": _FILE_MB,
            "report": report,
        }
        with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as input_file:
            input_file.write(given.encode(errors="replace"))
            input_file.seek(0)
            with spared():
                process = subprocess.Popen(
                    [sys.executable, "-I", "-B", str(_SANDBOX), json.dumps(limits), str(file)],
                    stdin=input_file,
                    stdout=output,
                    stderr=subprocess.DEVNULL,
                    cwd=folder,
                    env={
                        "PATH": "/usr/bin:/bin",
                        "LANG": "C.UTF-8",
                        "HOME": folder,
                        "TMPDIR": folder,
                        "OPENBLAS_NUM_THREADS": "1",
                    },
                    start_new_session=True,
                )
            try:
                process.wait(settings.timeout)
            except subprocess.TimeoutExpired:
                return None
            finally:
                _kill_group(process)
            output.seek(0)
            return process.returncode, output.read(_OUTPUT_BYTES).decode(errors="replace")


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    """End the process and whatever it started."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _scored(outcomes: list[str], settings: CodeReward) -> Scored:
    share = outcomes.count("passed") / len(outcomes) if outcomes else 0.0
    late = float("timed out" in outcomes)
    return Scored(float(share == 1.0) if settings.score == "all" else share, {"timed_out": late})
