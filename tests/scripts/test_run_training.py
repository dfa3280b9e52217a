from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from .conftest import Checkout, executable

HARD_ARGUMENTS = [
    "recipes/my first recipe.yaml",
    "two  spaces and a tab\t",
    "line\nbreak\n",
    "",
    'it\'s "quoted"',
    "$(touch /tmp/x) `id` ${HOME} $HOME",
    "back\\slash \\n",
    "*.yaml [a-z]?",
    "~",
    "; exit 7 && false | true > file & # !",
    "-x",
    "--",
    "--no-such-option=1",
    "data.datasets[0].name=größe 語 \N{SNOWMAN}",
    "training.run_name={a,b}",
    "=",
]


def test_every_argument_reaches_recipe_train_unchanged(checkout: Checkout) -> None:
    checkout.add_venv("train")
    answer = checkout.train("--config", *HARD_ARGUMENTS)
    assert answer.arguments == ["train", "--config", *HARD_ARGUMENTS]
    assert answer.status == 0


@pytest.mark.parametrize("argument", HARD_ARGUMENTS)
def test_an_argument_alone_reaches_recipe_train_unchanged(checkout: Checkout, argument: str) -> None:
    checkout.add_venv("train")
    assert checkout.train(argument).arguments == ["train", argument]


def test_the_current_directory_stays_the_users(checkout: Checkout, tmp_path: Path) -> None:
    checkout.add_venv("train")
    elsewhere = tmp_path / "some where"
    elsewhere.mkdir()
    assert checkout.train("--config", "a.yaml", cwd=elsewhere).seen["folder"] == str(elsewhere)


def test_the_script_works_through_a_link_and_a_relative_path(checkout: Checkout, tmp_path: Path) -> None:
    checkout.add_venv("train")
    (tmp_path / "links").mkdir()
    (tmp_path / "links" / "train").symlink_to(Path("..") / checkout.root.name / "scripts" / "run_training.sh")
    for command in ("./links/train", f"./{checkout.root.name}/scripts/run_training.sh"):
        done = subprocess.run([command, "x"], cwd=tmp_path, env=checkout.variables, capture_output=True, text=True)
        assert '"train", "x"' in done.stdout, done.stderr


def test_a_shell_that_is_not_bash_hands_over_to_bash(checkout: Checkout) -> None:
    checkout.add_venv("train")
    done = subprocess.run(
        ["sh", *checkout.command("run_training.sh", "a b")], env=checkout.variables, capture_output=True, text=True
    )
    assert '"train", "a b"' in done.stdout, done.stderr


def test_cdpath_does_not_lead_astray(checkout: Checkout, tmp_path: Path) -> None:
    checkout.add_venv("train")
    assert checkout.train("x", cwd=checkout.root, CDPATH=str(tmp_path)).arguments == ["train", "x"]


def test_the_exit_status_is_that_of_recipe_train(checkout: Checkout) -> None:
    checkout.add_venv("train")
    executable(checkout.venv / "bin" / "recipe", "#!/usr/bin/env bash\nexit 143\n")
    assert checkout.train("x").status == 143


def test_a_signal_reaches_recipe_train_itself(checkout: Checkout) -> None:
    checkout.add_venv("train")
    executable(checkout.venv / "bin" / "recipe", '#!/usr/bin/env bash\necho "$$"\n')
    with subprocess.Popen(
        checkout.command("run_training.sh", "x"), env=checkout.variables, stdout=subprocess.PIPE, text=True
    ) as script:
        assert script.stdout is not None
        assert int(script.stdout.read()) == script.pid


@pytest.mark.parametrize("arguments", [["-h"], ["--help"], ["--config", "a.yaml", "--num-gpus", "0", "--help"]])
def test_help_needs_no_environment(checkout: Checkout, arguments: list[str]) -> None:
    answer = checkout.train(*arguments)
    assert answer.status == 0
    assert answer.out.startswith("Usage: ./scripts/run_training.sh --config CONFIG_FILE [OPTIONS]")
    for option in (
        "--config CONFIG_FILE ",
        "--num-gpus NUM_GPUS ",
        "--num-nodes N ",
        "--node-rank R ",
        "--nohup ",
        "-h, --help ",
    ):
        assert f"\n  {option}" in answer.out
    assert not checkout.venv.exists()


def test_a_value_or_an_operand_that_looks_like_help_is_passed_on(checkout: Checkout) -> None:
    checkout.add_venv("train")
    assert checkout.train("--config", "--help").arguments == ["train", "--config", "--help"]
    assert checkout.train("--", "--help").arguments == ["train", "--", "--help"]


def test_no_arguments_are_a_usage_error_before_anything_is_installed(checkout: Checkout) -> None:
    checkout.add_python()
    answer = checkout.train()
    assert (answer.status, answer.out) == (2, "")
    assert answer.err.startswith("Usage: ")
    assert checkout.calls == []
