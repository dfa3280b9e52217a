"""How the command ends when things go wrong that are nobody's recipe: bugs, interrupts, readers that leave."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import recipe_engine
from recipe_engine import cli

from .support import ROOT, VALID, process

PLAN_AND_TRAIN = """
import sys
from recipe_engine.cli import app
for arguments in ["plan", "a.yaml"], ["train", "--config", "a.yaml", "--num-gpus", "0", "training.output_dir=."]:
    try:
        app(arguments)
    except SystemExit as end:
        print(end.code, file=sys.stderr)
heavy = {"torch", "transformers", "trl", "datasets", "wandb"}
print(sorted(heavy & set(sys.modules)), file=sys.stderr)
"""


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def ended(monkeypatch: pytest.MonkeyPatch, raised: BaseException, *arguments: str) -> int:
    """The exit code where the command raises."""

    def app() -> None:
        raise raised

    monkeypatch.setattr(cli, "app", app)
    monkeypatch.setattr(sys, "argv", ["recipe", *arguments])
    with pytest.raises(SystemExit) as caught:
        cli.main()
    assert isinstance(caught.value.code, int)
    return caught.value.code


def test_a_bug_of_ours_is_said_to_be_one_and_leaves_a_file_without_secrets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    token = "hf_" + "aB3dE6gH9jK2mN5pQ8" + "rS1tU4vW7xY0zAbCdE"
    code = ended(monkeypatch, ValueError(f"odd {token}"), "train", f"x={token}")
    assert code == 3
    err = capsys.readouterr().err
    found = re.fullmatch(
        r"recipe: a bug of recipe-engine: ValueError: odd .*\nPlease report it with the file (\S+)\n", err
    )
    assert found is not None, err
    report = Path(found[1]).read_text(encoding="utf-8")
    assert report.startswith(f"recipe-engine {recipe_engine.__version__}\nPython {sys.version.split()[0]}")
    assert "Traceback (most recent call last)" in report
    assert "'train'" in report
    assert token not in report + err


def test_an_interrupt_has_its_own_code(monkeypatch: pytest.MonkeyPatch) -> None:
    assert ended(monkeypatch, KeyboardInterrupt()) == 130


def test_an_interrupt_in_the_midst_of_work_ends_without_a_traceback() -> None:
    Path("recipes").mkdir()
    for number in range(3000):
        Path(f"recipes/{number}.yaml").write_text(VALID)
    with subprocess.Popen(
        [sys.executable, "-m", "recipe_engine.cli", "lint", "recipes"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as linting:
        with pytest.raises(subprocess.TimeoutExpired):
            linting.wait(timeout=1)
        linting.send_signal(signal.SIGINT)
        _, err = linting.communicate(timeout=60)
    assert linting.returncode == 130
    assert b"Traceback" not in err


def test_a_reader_that_leaves_is_no_bug(tmp_path: Path) -> None:
    for number in range(300):
        Path(f"{number}.yaml").write_text(VALID + "  learning_rte: 1\n")
    line = f"set -o pipefail; '{sys.executable}' -m recipe_engine.cli lint . | head -n 1; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(
        ["bash", "-c", line],
        env={**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.splitlines()[1:] == ["1"]
    assert done.stderr == ""
    assert not list(tmp_path.glob("recipe-engine-crash-*"))


def test_the_version_is_told_without_a_verb() -> None:
    done = process("--version")
    assert (done.returncode, done.stdout.decode()) == (0, f"recipe-engine {recipe_engine.__version__}\n")


def test_no_verb_shows_the_help_as_a_usage_error_does() -> None:
    done = process()
    assert done.returncode == 2
    assert b"Turns validated YAML recipes into trained language models." in done.stdout + done.stderr


def test_a_plan_and_a_refused_training_need_no_torch() -> None:
    Path("a.yaml").write_text(VALID)
    done = subprocess.run(
        [sys.executable, "-c", PLAN_AND_TRAIN],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    lines = done.stderr.splitlines()
    assert (lines[0], lines[-2], lines[-1]) == ("0", "1", "[]"), done.stderr
