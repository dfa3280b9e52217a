"""``recipe train`` as a user meets it: what is refused before anything is written, what is said, and what is left."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from recipe_engine.checkpoints import seal
from recipe_engine.launch.run_folder import write_run_folder
from tests.compile.support import GRPO, SFT, compiled
from tests.launch.support import is_running, wait_for
from tests.launch.trainings import command, environment, recipe, train

from .support import recipe as cli

NOTES = "a; touch pwned $(touch pwned) `touch pwned` 'b'"
OVERRIDE = f"wandb.notes={json.dumps(NOTES)}"


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "it's a $(touch pwned) folder"
    folder.mkdir()
    monkeypatch.chdir(folder)


@pytest.fixture(scope="module")
def embedded_model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RECIPE_ENGINE_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


def write(text: str, name: str = "a.yaml") -> None:
    Path(name).write_text(text, encoding="utf-8")


def files() -> list[str]:
    return sorted(str(path) for path in Path().rglob("*"))


class TestRefusals:
    """Nothing is written, not even a log, and the exit code is 1."""

    @pytest.mark.parametrize("nohup", [[], ["--nohup"]])
    @pytest.mark.parametrize(
        ("text", "arguments", "code"),
        [
            (SFT + "  learning_rte: 1\n", [], "R201"),
            (SFT, ["training.learning_rate=fast"], "R203"),
            (SFT.replace("builtin/conversations", "none.jsonl"), [], "D401"),
            (GRPO.replace("builtin/tiny-chat", "models/quickstart-sft"), [], "T505"),
            (SFT + "  output_dir: .\n", [], "T502"),
            (SFT, ["--num-gpus", "4096"], "T501"),
        ],
    )
    def test_a_bad_recipe_or_machine_is_found_first(
        self, text: str, arguments: list[str], code: str, nohup: list[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("PATH", "")
        write(text)
        gpus = [] if "--num-gpus" in arguments else ["--num-gpus", "0"]
        result = cli("train", "--config", "a.yaml", *gpus, *nohup, *arguments)
        assert result.exit_code == 1
        assert f"error[{code}]" in result.stderr
        assert files() == ["a.yaml"]

    def test_each_change_of_a_resumed_recipe_has_a_line_of_its_own_and_none_forges_one(self) -> None:
        write(SFT, "recipe.yaml")
        run = compiled(SFT)
        write_run_folder(run, {}, overwrite=False)[1].release()
        saved = Path(run.output_dir, "checkpoint-5")
        saved.mkdir()
        (saved / "optimizer.pt").touch()
        seal(saved)
        forged = "model.eos_token=" + json.dumps("x\n    error: all is lost\x1b[2J")
        result = cli("train", "--config", "recipe.yaml", "--num-gpus", "0", "training.seed=7", forged)
        assert result.exit_code == 1
        assert result.stderr.splitlines()[:3] == [
            "error[T512]: training.output_dir: models/recipe holds an unfinished run of another recipe:",
            r"    model.eos_token: None -> 'x\n    error: all is lost\x1b[2J'",
            "    training.seed: None -> 7",
        ]
        assert result.stderr.splitlines()[3].startswith("  = help: ")

    def test_a_folder_in_use_is_named_with_what_to_do(self) -> None:
        Path("models/a").mkdir(parents=True)
        Path("models/a/mine.txt").touch()
        write(SFT)
        result = cli("train", "--config", "a.yaml", "--num-gpus", "0")
        assert result.exit_code == 1
        assert (
            f"error[T502]: training.output_dir: {Path.cwd()}/models/a holds files that are not of a run\n"
            in result.stderr
        )
        assert "  = help: choose another folder" in result.stderr
        assert files() == ["a.yaml", "models", "models/a", "models/a/mine.txt"]

    def test_what_the_system_refuses_while_writing_is_no_bug_of_the_engines(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        write(SFT)
        full = OSError(28, "No space left on device", "models/a/run")
        monkeypatch.setattr(Path, "mkdir", lambda *_, **__: (_ for _ in ()).throw(full))
        result = cli("train", "--config", "a.yaml", "--num-gpus", "0")
        assert result.exit_code == 1
        assert "error[T503]: models/a/run: No space left on device" in result.stderr

    @pytest.mark.parametrize("arguments", [[], ["--config", "a.yaml"], ["--num-gpus", "0"], ["--num-gpus", "-1"]])
    def test_a_wrong_command_line_is_a_usage_error(self, arguments: list[str]) -> None:
        write(SFT)
        assert cli("train", *arguments).exit_code == 2


@pytest.mark.slow
@pytest.mark.usefixtures("embedded_model")
class TestATraining:
    def test_of_an_adapter_ends_with_a_command_that_works_when_it_is_copied(self) -> None:
        adapter = {"use_lora": True, "lora_r": 4}
        folder = 'out "dir" $HOME;`x`'
        training = {"max_steps": 2, "output_dir": folder, "run_name": "a/b; touch pwned"}
        config = recipe("my recipe; touch pwned.yaml", model=adapter, training=training)
        done = train(config, OVERRIDE)
        assert done.returncode == 0, done.stdout
        assert json.loads(Path(folder, "run/compiled.json").read_text())["wandb"]["notes"] == NOTES
        lines = done.stdout.splitlines()
        assert lines[0].startswith("a/b; touch pwned: sft of builtin/tiny-chat on the CPU; log logs/a-b- touch pwned-")
        ending = lines[lines.index("a/b; touch pwned: done") :]
        shown = dict(line.split(maxsplit=1) for line in ending[1:5])
        assert list(shown) == ["model", "log", "metrics", "picture"]
        assert all(Path(path).exists() for path in shown.values())
        assert ending[5] == "  try it:"
        # The log holds what the screen showed, from the first line of the training on.
        log = Path(shown["log"]).read_text(encoding="utf-8").splitlines()
        assert log == lines[1:]
        assert not list(Path().rglob("pwned"))

        answer = subprocess.run(
            ["bash", "-c", ending[6]], input="2 + 2?\n", env=environment(), capture_output=True, text=True, check=False
        )
        assert answer.returncode == 0, answer.stderr
        assert answer.stdout.startswith("you: ")
        again = train(config)
        assert (again.returncode, "error[T502]" in again.stdout) == (1, True)

    def test_in_the_background_outlives_its_shell_and_stops_as_it_said(self) -> None:
        config = recipe("long one.yaml", training={"max_steps": 100_000, "per_device_train_batch_size": 1})
        line = shlex.join(command("train", "--config", str(config), "--num-gpus", "0", "--nohup", OVERRIDE))
        shell = subprocess.run(
            ["bash", "-c", f"{line}; exit $?"],
            env=environment(),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert shell.returncode == 0, shell.stderr
        found = re.fullmatch(
            r"long one: running in the background as process (\d+)\n"
            r"  log      (logs/long one-\d{8}-\d{6}\.log)\n"
            r"  PID file (logs/long one-\d{8}-\d{6}\.pid)\n"
            r"  follow   tail -f '(.*)'\n"
            r"  stop     kill (\d+)\n",
            shell.stdout,
        )
        assert found is not None, shell.stdout
        pid, log, pid_file = int(found[1]), Path(found[2]), Path(found[3])
        assert (found[4], found[5], pid_file.read_text()) == (found[2], found[1], f"{found[1]}\n")
        wait_for(lambda: "step " in log.read_text(), 90)
        os.kill(pid, signal.SIGHUP)
        time.sleep(0.3)
        assert is_running(pid)
        subprocess.run(["bash", "-c", f"kill {found[5]}"], check=True)
        wait_for(lambda: not is_running(pid))
        assert "long one: stopped by SIGTERM; the newest checkpoint is models/long one/checkpoint-" in log.read_text()
        assert not pid_file.exists()
        assert not list(Path().rglob("pwned"))

    def test_in_the_background_that_dies_at_once_is_told_with_the_end_of_its_log(self) -> None:
        config = recipe("a.yaml", model={"eos_token": "<no such token>"})
        done = train(config, "--nohup")
        assert done.returncode == 1
        assert "error: model.eos_token: '<no such token>' is not one token of the vocabulary\n" in done.stdout
        assert "error[T509]: the run ended within its first 20 s, with exit code 1\n" in done.stdout
        assert re.search(r"  = help: the whole log: logs/a-.*\.log\n", done.stdout)

    def test_that_a_broken_pipe_left_alone_goes_on_to_its_end(self) -> None:
        config = recipe("a.yaml", training={"max_steps": 2})
        line = shlex.join(command("train", "--config", str(config), "--num-gpus", "0"))
        shell = subprocess.run(
            ["bash", "-c", f"set -o pipefail; {line} | head -n 1; echo ${{PIPESTATUS[0]}}"],
            env=environment(),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert shell.stdout.splitlines()[1:] == ["0"], shell.stderr
        assert shell.stderr == ""
        (log,) = Path("logs").iterdir()
        assert "a: done\n" in log.read_text()


@pytest.mark.skipif(sys.platform != "linux", reason="signals are looked at through /proc")
@pytest.mark.slow
@pytest.mark.usefixtures("embedded_model")
def test_ctrl_c_ends_a_training_in_the_foreground() -> None:
    config = recipe("long.yaml", training={"max_steps": 100_000, "per_device_train_batch_size": 1})
    with subprocess.Popen(
        command("train", "--config", str(config), "--num-gpus", "0"),
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        wait_for(lambda: Path("models/long/run/metrics.jsonl").exists() or process.poll() is not None, 120)
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does with its foreground processes
        out, _ = process.communicate(timeout=60)
    assert process.returncode == 130, out
    assert re.search(r"\nlong: interrupted; the newest checkpoint is models/long/checkpoint-\d+\n", out)
    assert "Traceback" not in out
