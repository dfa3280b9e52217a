from __future__ import annotations

import ast
import json
import os
import shlex
import signal
import sys
from pathlib import Path

import pytest

from recipe_engine.checkpoints import seal
from recipe_engine.compiled import CompiledRun
from recipe_engine.launch.companions import Outcome
from recipe_engine.launch.ending import ending_lines, try_command
from tests.compile.support import SFT, compiled


@pytest.fixture
def log() -> Path:
    Path("logs").mkdir()
    file = Path.cwd() / "logs/a.log"
    file.write_text("step 1/2\n")
    return file


def trained(run: CompiledRun, *names: str) -> None:
    for name in names:
        file = Path(run.output_dir) / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()


def code_of(command: str) -> str:
    """The Python that a command runs, after a shell has read it."""
    python, option, code = shlex.split(command)
    assert (os.path.abspath(python), option) == (sys.executable, "-c")
    return code


class TestAGoodEnd:
    def test_it_says_where_everything_is(self, run: CompiledRun, log: Path) -> None:
        trained(run, "model.safetensors", "run/metrics.jsonl", "run/loss.png")
        assert ending_lines(run, log, Outcome(0))[:6] == [
            "recipe: done",
            "  model    models/recipe",
            "  log      logs/a.log",
            "  metrics  models/recipe/run/metrics.jsonl",
            "  picture  models/recipe/run/loss.png",
            "  try it:",
        ]

    def test_what_was_not_written_is_not_claimed(self, run: CompiledRun, log: Path) -> None:
        trained(run, "model.safetensors")
        lines = ending_lines(run, log, Outcome(0))
        assert not any("picture" in line or "metrics" in line for line in lines)


class TestTheNextCommand:
    def test_a_model_with_a_chat_template_is_asked_as_in_a_chat(self, run: CompiledRun) -> None:
        trained(run, "chat_template.jinja")
        assert '[{"role": "user", "content": input("you: ")}]' in code_of(try_command(run))

    @pytest.mark.parametrize("settings", ['{"chat_template": "{{ messages }}"}', "{}"])
    def test_older_tokenizers_have_their_template_among_their_settings(self, run: CompiledRun, settings: str) -> None:
        trained(run, "tokenizer_config.json")
        (Path(run.output_dir) / "tokenizer_config.json").write_text(settings)
        assert ("role" in code_of(try_command(run))) == ("chat_template" in settings)

    def test_a_model_without_one_continues_a_text(self, run: CompiledRun) -> None:
        trained(run, "model.safetensors")
        assert '(input("text: "), ' in code_of(try_command(run))

    def test_a_model_that_learned_plain_text_continues_it_whatever_its_template(self, run: CompiledRun) -> None:
        trained(run, "chat_template.jinja")
        assert '(input("text: "), ' in code_of(try_command(run.model_copy(update={"algorithm": "cpt"})))

    @pytest.mark.parametrize(
        "folder", ["plain", "with space", "it's", 'double "quotes"', "$(touch pwned); `x`", "back\\slash", "emoji 🙂 é"]
    )
    def test_any_folder_survives_the_shell_and_python(self, folder: str) -> None:
        run = compiled(f"{SFT}  output_dir: {json.dumps(folder, ensure_ascii=False)}\n")
        tree = ast.parse(code_of(try_command(run)))
        literals = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)]
        assert folder in literals

    def test_a_model_that_brings_code_along_is_loaded_with_it(self, run: CompiledRun) -> None:
        assert "trust_remote_code" not in try_command(run)
        remote = run.model_copy(update={"model": run.model.model_copy(update={"trust_remote_code": True})})
        assert ", trust_remote_code=True)" in code_of(try_command(remote))


class TestABadEnd:
    @pytest.mark.parametrize(
        ("code", "words"),
        [
            (130, "recipe: interrupted; no checkpoint was saved"),
            (143, "recipe: stopped by SIGTERM; no checkpoint was saved"),
            (129, "recipe: stopped, since the terminal was closed; no checkpoint was saved"),
            (1, "recipe: failed (exit code 1); no checkpoint was saved"),
            (128 + signal.SIGSEGV, "recipe: crashed (SIGSEGV); no checkpoint was saved"),
        ],
    )
    def test_it_says_how_and_where_the_log_is(self, run: CompiledRun, log: Path, code: int, words: str) -> None:
        assert ending_lines(run, log, Outcome(code)) == [words, "  log      logs/a.log"]

    def test_a_killed_process_is_explained(self, run: CompiledRun, log: Path) -> None:
        first, second, _ = ending_lines(run, log, Outcome(137))
        assert first == "recipe: killed (SIGKILL); no checkpoint was saved"
        assert "memory runs out: try a smaller batch" in second

    def test_so_is_one_of_several(self, run: CompiledRun, log: Path) -> None:
        first, second, _ = ending_lines(run, log, Outcome(137, "process 1 (77) was killed by SIGKILL"))
        assert first.startswith("recipe: process 1 (77) was killed by SIGKILL; ")
        assert "memory runs out" in second
        first, *rest = ending_lines(run, log, Outcome(139, "process 1 (77) was killed by SIGSEGV"))
        assert first.startswith("recipe: process 1 (77) was killed by SIGSEGV; ")
        assert len(rest) == 1

    def test_the_error_is_repeated(self, run: CompiledRun, log: Path) -> None:
        assert "  error    no row of x is left" in ending_lines(run, log, Outcome(1), "no row of x is left")

    def test_the_newest_whole_checkpoint_is_named(self, run: CompiledRun, log: Path) -> None:
        trained(run, "checkpoint-20/trainer_state.json", "checkpoint-100/trainer_state.json", "checkpoint-120/x")
        for name in ("checkpoint-20", "checkpoint-100"):
            seal(Path(run.output_dir) / name)
        assert ending_lines(run, log, Outcome(143))[0].endswith(
            "; the newest checkpoint is models/recipe/checkpoint-100"
        )
