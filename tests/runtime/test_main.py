from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from recipe_engine.compiled import CompiledRun
from recipe_engine.runtime import worker
from recipe_engine.runtime.__main__ import main
from recipe_engine.runtime.errors import RunError
from tests.runtime.support import compiled


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the process sets for itself is taken back."""
    for name in ("TOKENIZERS_PARALLELISM", "HF_HUB_DISABLE_TELEMETRY", "TQDM_DISABLE", "DS_ACCELERATOR"):
        monkeypatch.setenv(name, "cpu" if name == "DS_ACCELERATOR" else "false")


@pytest.fixture
def file(tmp_path: Path) -> str:
    run = compiled(tmp_path, "sft", {"name": str(tmp_path / "missing.jsonl")})
    written = Path(run.run_dir) / "compiled.json"
    written.write_text(run.model_dump_json(), encoding="utf-8")
    return str(written)


def test_the_worker_is_given_the_compiled_run_and_nothing_else(file: str, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[CompiledRun] = []
    monkeypatch.setattr(worker, "train", given.append)
    assert main([file]) == 0
    assert given == [CompiledRun.model_validate_json(Path(file).read_text(encoding="utf-8"))]


def test_a_problem_of_the_run_is_told_in_two_lines_without_a_traceback(
    file: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: CompiledRun) -> None:
        raise RunError("no model", hint="train one")

    monkeypatch.setattr(worker, "train", fail)
    assert main([file]) == 1
    assert capsys.readouterr().err == "error: no model\n  train one\n"


def test_a_dataset_that_is_missing_is_told_before_any_model_is_loaded(
    file: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([file]) == 1
    assert "missing.jsonl: there is no file or folder" in capsys.readouterr().err


def test_an_interrupt_ends_with_its_own_code(file: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(_: CompiledRun) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(worker, "train", interrupt)
    assert main([file]) == 130


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_ctrl_c_while_libraries_are_imported_prints_no_traceback(file: str) -> None:
    command = [sys.executable, "-m", "recipe_engine.runtime", file]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    maps = Path(f"/proc/{process.pid}/maps")
    deadline = time.monotonic() + 60
    while "libtorch" not in maps.read_text() and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=60)
    assert (process.returncode, said) == (130, b"")
