from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from recipe_engine.cli import output
from tests.compile.support import GRPO

from .support import BROKEN, ROOT, VALID, WARNED, process, recipe


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def write(name: str, text: str) -> None:
    Path(name).parent.mkdir(parents=True, exist_ok=True)
    Path(name).write_text(text, encoding="utf-8")


def test_a_recipe_without_findings_exits_with_0_and_says_how_many_files_were_checked() -> None:
    write("a.yaml", VALID)
    result = recipe("lint", "a.yaml")
    assert (result.exit_code, result.stdout) == (0, "no findings; 1 file checked\n")


def test_findings_are_shown_with_place_caret_and_help_and_exit_with_1() -> None:
    write("a.yaml", BROKEN)
    result = recipe("lint", "a.yaml")
    assert result.exit_code == 1
    assert result.stdout == (
        "a.yaml:8:3: error[R201]: unknown key `learning_rte` in training\n"
        "  |\n"
        "8 |   learning_rte: 1e-5\n"
        "  |   ^^^^^^^^^^^^\n"
        "  = help: did you mean `learning_rate`?\n"
        "\n"
        "1 error in 1 file; 1 file checked\n"
        "`recipe fix` can mend 1 finding\n"
    )


def test_warnings_fail_only_under_strict_and_notes_never() -> None:
    write("warned.yaml", WARNED)
    write("noted.yaml", VALID.replace("builtin/tiny-chat", "builtin/tiny-chat\n  dtype: float32"))
    assert [recipe("lint", name).exit_code for name in ("warned.yaml", "noted.yaml")] == [0, 0]
    assert [recipe("lint", name, "--strict").exit_code for name in ("warned.yaml", "noted.yaml")] == [1, 0]
    assert "1 note" in recipe("lint", "noted.yaml").stdout


def test_folders_are_searched_at_any_depth_for_both_endings_but_not_into_hidden_ones() -> None:
    for name in ("r/a.yaml", "r/deep/er/b.yml", "r/.hidden/c.yaml", "r/.d.yaml", "r/e.txt"):
        write(name, VALID)
    assert recipe("lint", "r").stdout == "no findings; 2 files checked\n"


def test_files_are_shown_in_order_of_their_names() -> None:
    for name in ("r/b.yaml", "r/a/z.yaml", "r/a.yaml"):
        write(name, BROKEN)
    result = recipe("lint", "r", "--format", "json")
    assert [found["file"] for found in json.loads(result.stdout)["diagnostics"]] == [
        "r/a.yaml",
        "r/b.yaml",
        "r/a/z.yaml",
    ]


def test_a_file_that_is_named_twice_or_also_found_is_checked_once() -> None:
    write("r/a.yaml", VALID)
    assert "1 file checked" in recipe("lint", "r/a.yaml", "r", "./r/../r/a.yaml").stdout


def test_parents_in_a_folder_are_counted_but_left_to_the_recipes_that_extend_them() -> None:
    write("r/_base.yaml", "training:\n  algorithm: sft\n  sed: 1\n")
    write("r/_shared/model.yaml", "model:\n  base_model_name: builtin/tiny-chat\n")
    for name in ("a", "b"):
        write(f"r/{name}.yaml", "extends: [_base.yaml, _shared/model.yaml]\ndata: {datasets: [{name: builtin/text}]}\n")
    result = recipe("lint", "r")
    assert result.stdout.count("error[R201]") == 1, "what is wrong in a parent is said once"
    assert "r/_base.yaml:3:3: error[R201]" in result.stdout
    assert (
        "2 files checked; 2 files skipped as parents for extends (r/_base.yaml, r/_shared/model.yaml)" in result.stdout
    )
    assert "R202" in recipe("lint", "r/_base.yaml").stdout, "a file that is named is always checked"
    assert "R202" in recipe("lint", "r", "r/_base.yaml").stdout


def test_other_programs_files_in_a_folder_are_counted_but_not_checked() -> None:
    write("r/a.yaml", VALID)
    write("r/compose.yaml", "services: {web: {image: nginx}}\nvolumes: {}\n")
    write("r/playbook.yaml", "- hosts: all\n  tasks: []\n")
    result = recipe("lint", "r")
    assert result.exit_code == 0
    assert "1 file checked; 2 files skipped as no recipes (r/compose.yaml, r/playbook.yaml)" in result.stdout
    assert recipe("lint", "r/compose.yaml").exit_code == 1, "a file that is named is always checked"


@pytest.mark.parametrize(
    "text",
    [
        BROKEN,
        "",
        "# model: x\n",
        "modle: {}\ndat: {}\n",
        "trainig:\n  x: 1\n",
        "data: {}\n",
        "extends: base.yaml\n",
        "recipe:\n  model: {base_model_name: x}\n",
        "- model: {base_model_name: x}\n",
        "a: {b: [{algorithm: sft}]}\n",
        "services: {a: [}\n",
        "\tservices: 1\n",
        "services: 1\nservices: 2\nmodel_name_or_path: x\n",
    ],
    ids=repr,
)
def test_a_broken_recipe_in_a_folder_is_never_taken_for_another_programs_file(text: str) -> None:
    write("r/a.yaml", text)
    result = recipe("lint", "r")
    assert result.exit_code == 1
    assert "1 file checked" in result.stdout


@pytest.mark.parametrize("names", [[], ["r/_base.yaml"], ["r/.hidden.yaml"], ["r/notes.txt"]], ids=str)
def test_a_folder_without_a_recipe_is_an_error(names: list[str]) -> None:
    Path("r").mkdir()
    write("ok.yaml", VALID)
    for name in names:
        write(name, VALID)
    result = recipe("lint", "ok.yaml", "r")
    assert result.exit_code == 2
    assert "there is no recipe in r" in result.stderr


def test_a_missing_file_is_a_finding() -> None:
    result = recipe("lint", "nope.yaml")
    assert result.exit_code == 1
    assert result.stdout.startswith("nope.yaml:1:1: error[S101]: ")


@pytest.mark.parametrize(
    "arguments", [[], ["--format", "xml", "a.yaml"], ["--num-gpus", "-1", "a.yaml"], ["--nope", "a.yaml"]], ids=str
)
def test_a_wrong_command_exits_with_2(arguments: list[str]) -> None:
    assert recipe("lint", *arguments).exit_code == 2


def test_at_least_fails_when_fewer_files_are_checked() -> None:
    write("r/a.yaml", VALID)
    write("r/_b.yaml", VALID)
    assert recipe("lint", "r", "--at-least", "1").exit_code == 0
    result = recipe("lint", "r", "--at-least", "2")
    assert result.exit_code == 1
    assert result.stderr == "1 file checked, and --at-least asks for 2\n"


def test_the_number_of_gpus_reaches_the_rules() -> None:
    write("a.yaml", VALID + "launch:\n  strategy: single\n")
    assert recipe("lint", "a.yaml").exit_code == 0
    assert "L424" in recipe("lint", "a.yaml", "--num-gpus", "2").stdout


def test_the_processes_of_several_machines_are_counted() -> None:
    Path("a.yaml").write_text(GRPO + "  num_generations: 8\n  per_device_train_batch_size: 4\n", encoding="utf-8")
    assert recipe("lint", "a.yaml", "--num-gpus", "1").exit_code == 1
    assert recipe("lint", "a.yaml", "--num-gpus", "1", "--num-nodes", "2").exit_code == 0


def test_json_goes_to_standard_output_alone() -> None:
    write("r/a.yaml", BROKEN)
    write("r/b.yaml", VALID)
    result = recipe("lint", "r", "--format", "json")
    document = json.loads(result.stdout)
    assert result.exit_code == 1
    assert (document["version"], document["files_checked"]) == (1, 2)
    assert [found["code"] for found in document["diagnostics"]] == ["R201"]
    assert result.stderr.startswith("1 error in 1 file; 2 files checked\n")


def test_sarif_describes_the_codes_that_were_found() -> None:
    write("a.yaml", BROKEN)
    (run,) = json.loads(recipe("lint", "a.yaml", "--format", "sarif").stdout)["runs"]
    (rule,) = run["tool"]["driver"]["rules"]
    assert (rule["id"], rule["name"]) == ("R201", "unknown-key")
    assert "learning_rte" in rule["help"]["markdown"]
    assert len(run["results"]) == 1


def test_github_prints_annotations_alone() -> None:
    write("a.yaml", BROKEN)
    result = recipe("lint", "a.yaml", "--format", "github")
    assert result.stdout.startswith("::error file=a.yaml,line=8,col=3,")
    assert result.stdout.count("\n") == 1


def test_in_github_actions_annotations_follow_the_text_by_themselves() -> None:
    write("a.yaml", BROKEN)
    actions: dict[str, str | None] = {"GITHUB_ACTIONS": "true"}
    lines = recipe("lint", "a.yaml", env=actions).stdout.splitlines()
    assert lines[1].startswith("a.yaml:8:3: error[R201]")
    assert lines[-1].startswith("::error file=a.yaml,line=8,")
    assert "::error file=" not in recipe("lint", "a.yaml", "--format", "text", env=actions).stdout
    json.loads(recipe("lint", "a.yaml", "--format", "json", env=actions).stdout)


def test_in_github_actions_text_that_quotes_recipes_cannot_give_commands() -> None:
    write("::error::forged.yaml", BROKEN)
    lines = recipe("lint", "::error::forged.yaml", env={"GITHUB_ACTIONS": "true"}).stdout.splitlines()
    stop = re.fullmatch(r"::stop-commands::([0-9a-f]{32})", lines[0])
    assert stop
    end = lines.index(f"::{stop[1]}::")
    assert lines[1].startswith("::error::forged.yaml:8:3")
    assert [line.startswith("::error file=%3A%3Aerror%3A%3Aforged.yaml,") for line in lines[end + 1 :]] == [True]


def test_annotations_name_files_as_seen_from_the_workspace(tmp_path: Path) -> None:
    write("sub/a.yaml", BROKEN)
    os.chdir("sub")
    result = recipe("lint", "a.yaml", "--format", "github", env={"GITHUB_WORKSPACE": str(tmp_path)})
    assert "file=sub/a.yaml," in result.stdout


def test_data_is_read_only_when_asked_for() -> None:
    write("rows.jsonl", '{"prompt": "2 + 2?", "completion": ""}\n')
    write("a.yaml", VALID.replace("builtin/conversations", "rows.jsonl"))
    assert recipe("lint", "a.yaml").exit_code == 0
    result = recipe("lint", "a.yaml", "--data")
    assert result.exit_code == 1
    assert "a.yaml:5:13: error[D405]: 'rows.jsonl', row 1: column `completion` is empty" in result.stdout


def test_text_for_a_pipe_has_no_colour_and_no_color_is_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    write("a.yaml", BROKEN)
    assert b"\x1b" not in process("lint", "a.yaml", env={"FORCE_COLOR": "1"}).stdout
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert output.wants_color()
    monkeypatch.setenv("NO_COLOR", "1")
    assert not output.wants_color()


@pytest.mark.parametrize("form", ["text", "json", "github", "sarif"])
def test_every_format_prints_under_any_locale(form: str) -> None:
    write("caf\u00e9.yaml", BROKEN + "  名前: 値\n")
    for env in ({"LC_ALL": "C"}, {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}):
        done = process("lint", "café.yaml", "--format", form, env=env)
        assert done.returncode == 1, done.stderr
        assert b"Traceback" not in done.stderr
        assert b"R201" in done.stdout


def test_a_file_whose_name_is_not_utf_8_is_shown_escaped() -> None:
    with open(b"caf\xe9.yaml", "w", encoding="utf-8") as stream:
        stream.write(BROKEN)
    for form in ("text", "json", "github", "sarif"):
        done = process("lint", ".", "--format", form)
        assert done.returncode == 1, done.stderr
        done.stdout.decode("utf-8")
    assert b"caf%E9.yaml" in done.stdout


HEAVY = (
    "torch",
    "transformers",
    "trl",
    "datasets",
    "wandb",
    "numpy",
    "pyarrow",
    "accelerate",
    "peft",
    "huggingface_hub",
)


@pytest.mark.parametrize("options", [[], ["--data"], ["--format", "sarif"]], ids=str)
def test_linting_imports_nothing_heavy(options: list[str]) -> None:
    write("r/a.yaml", VALID)
    write("r/b.yaml", BROKEN)
    write("rows.jsonl", '{"prompt": "2 + 2?", "completion": "4"}\n')
    write("r/c.yaml", VALID.replace("builtin/conversations", "rows.jsonl"))
    code = (
        "import sys\nfrom recipe_engine.cli import app\n"
        f"try: app(['lint', 'r', *{options!r}])\nexcept SystemExit: pass\n"
        f"print(sorted(set({HEAVY}) & sys.modules.keys()), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "3 files checked" in done.stdout + done.stderr
    assert done.stderr.splitlines()[-1] == "[]"


def test_the_module_runs_as_a_command() -> None:
    write("a.yaml", VALID)
    done = process("lint", "a.yaml")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"no findings; 1 file checked\n", b"")
