from __future__ import annotations

import json
from pathlib import Path

import pytest

from recipe_engine.cli import inspect as verb
from tests.compile.support import SFT
from tests.launch.trainings import environment

from .support import process, recipe


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def write(text: str) -> None:
    Path("a.yaml").write_text(text, encoding="utf-8")


@pytest.mark.slow
def test_rows_are_shown_without_color_in_a_pipe_and_nothing_is_left(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    rows = [{"prompt": "日本", "completion": f"語 {n} \x1b[31m"} for n in range(4)]
    Path("rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    Path("datasets.py").write_text("raise SystemExit('the wrong datasets')")
    write(SFT.replace("builtin/conversations", "rows.jsonl"))
    cache = {"RECIPE_ENGINE_CACHE": str(tmp_path_factory.mktemp("cache")), "PYTHONIOENCODING": "latin-1"}
    done = process("inspect", "a.yaml", "--rows", "2", cwd=tmp_path, env={**environment(), **cache})
    out = done.stdout.decode("latin-1")
    assert (done.returncode, done.stderr) == (0, b""), done.stderr.decode()
    assert out.count("--- row ") == 2
    assert "\\u65e5\\u672c\\u27e6\\u8a9e 0 \\x1b[31m<|end|>\\u27e7" in out
    assert "4 rows read, 4 used" in out
    assert "\x1b" not in out
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.yaml", "datasets.py", "rows.jsonl"]


def test_a_broken_recipe_is_not_inspected() -> None:
    write(SFT + "  learning_rte: 1\n")
    result = recipe("inspect", "a.yaml")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "error[R201]" in result.stderr


def test_code_of_a_tokenizer_is_not_run_without_a_word_on_the_command_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verb.subprocess, "run", lambda *_, **__: pytest.fail("it was started"))
    write(SFT.replace("tiny-chat", "tiny-chat\n  trust_remote_code: true\n  revision: " + "a" * 40))
    result = recipe("inspect", "a.yaml")
    assert result.exit_code == 1
    assert "error[T508]: inspecting would run Python code that ships with builtin/tiny-chat" in result.stderr


def test_a_recipe_for_many_gpus_can_be_inspected_on_a_laptop(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[list[str]] = []
    monkeypatch.setattr(
        verb.subprocess, "run", lambda command, **_: started.append(command) or verb.subprocess.CompletedProcess([], 0)
    )
    Path("zero.json").write_text('{"zero_optimization": {"stage": 2}}')
    write(SFT + "  deepspeed_config: zero.json\n")
    assert recipe("inspect", "a.yaml").exit_code == 0
    assert started[0][-1] == "3"


@pytest.mark.parametrize(("ended", "code"), [(0, 0), (1, 1), (-9, 137), (130, 130)])
def test_the_exit_code_is_that_of_the_process_that_shows(
    ended: int, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = verb.subprocess.CompletedProcess([], ended)
    monkeypatch.setattr(verb.subprocess, "run", lambda *_, **__: done)
    write(SFT)
    assert recipe("inspect", "a.yaml").exit_code == code


def test_without_transformers_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verb, "find_spec", lambda name: None)
    write(SFT)
    result = recipe("inspect", "a.yaml")
    assert result.exit_code == 1
    assert "error[T510]" in result.stderr
    assert '-e ".[train]" -c constraints.txt' in result.stderr
