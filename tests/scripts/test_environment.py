"""Which environment the scripts take, and how they make one. Python and pip are stand-ins; see test_install.py."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest

from .conftest import Checkout, wait_until

TORCH = "torch==2.13.0"


def ready(checkout: Checkout, extra: str, folder: Path | None = None) -> None:
    """Makes the stand-in for check_environment.py find the extra."""
    ((folder or Path(checkout.variables["ACTIVE"])) / f"ready-for-{extra}").touch()


def test_a_complete_venv_is_used_without_asking_any_python(checkout: Checkout) -> None:
    checkout.add_python()
    checkout.add_venv("train")
    answer = checkout.train("x", PYTHONHOME="/nowhere")
    assert answer.command == str(checkout.venv / "bin" / "recipe")
    assert (answer.err, checkout.calls) == ("", [])


def test_the_venv_is_entered_as_if_activated(checkout: Checkout) -> None:
    checkout.add_venv("train")
    variables = checkout.train("x", PYTHONHOME="/nowhere", VIRTUAL_ENV="/another").seen["variables"]
    assert variables["VIRTUAL_ENV"] == str(checkout.venv)
    assert str(variables["PATH"]).split(os.pathsep)[0] == str(checkout.venv / "bin")
    assert variables["PYTHONHOME"] is None


def test_the_venv_goes_before_an_active_environment_that_has_the_package(checkout: Checkout, tmp_path: Path) -> None:
    checkout.add_venv("train")
    checkout.add_python("python", tmp_path / "env" / "bin")
    ready(checkout, "train")
    answer = checkout.train("x", VIRTUAL_ENV=str(tmp_path / "env"))
    assert answer.command == str(checkout.venv / "bin" / "recipe")


@pytest.mark.parametrize("variable", ["VIRTUAL_ENV", "CONDA_PREFIX"])
def test_without_a_venv_the_active_environment_is_used(checkout: Checkout, tmp_path: Path, variable: str) -> None:
    checkout.add_python("python", tmp_path / "env" / "bin")
    ready(checkout, "train")
    answer = checkout.train("x", **{variable: str(tmp_path / "env")})
    assert answer.command == checkout.variables["RECIPE"]
    assert answer.arguments == ["train", "x"]
    assert not checkout.venv.exists()


@pytest.mark.parametrize("name", ["python", "python3"])
def test_without_a_venv_the_python_on_the_path_is_used_if_it_has_the_package(checkout: Checkout, name: str) -> None:
    checkout.add_python(name)
    ready(checkout, "train")
    assert checkout.train("x").command == checkout.variables["RECIPE"]


def test_an_active_environment_that_lacks_something_is_named_and_left_alone(checkout: Checkout, tmp_path: Path) -> None:
    checkout.add_python()
    active = checkout.add_python("python", tmp_path / "env" / "bin")
    answer = checkout.train("x", VIRTUAL_ENV=str(tmp_path / "env"))
    assert f"the active environment ({active}) is not used: torch is not installed." in answer.err
    assert answer.command == str(checkout.venv / "bin" / "recipe")


def test_the_first_start_makes_a_venv_and_installs_torch_by_itself_first(checkout: Checkout) -> None:
    checkout.add_python()
    answer = checkout.train("x")
    assert checkout.calls[0] == "venv python3.11"
    assert [call for call in checkout.calls if call.startswith("pip")] == [f"pip {TORCH}", "pip -e .[train]"]
    assert answer.arguments == ["train", "x"]


def test_the_first_start_says_what_it_does_in_a_few_lines_on_stderr(checkout: Checkout) -> None:
    checkout.add_python()
    lines = checkout.train("x").err.splitlines()
    assert [line.removeprefix("run_training.sh: ").split()[0] for line in lines] == [
        *("making", "installing", "The", "installed")
    ]
    assert f"installing {TORCH} and recipe-engine[train] into .venv: torch is not installed." in lines[1]


def test_the_second_start_installs_nothing(checkout: Checkout) -> None:
    checkout.add_python()
    checkout.train("x")
    before = checkout.calls
    assert checkout.train("x").err == ""
    assert checkout.calls == before


@pytest.mark.parametrize("file", ["pyproject.toml", "constraints.txt"])
def test_a_changed_pin_or_dependency_completes_the_venv(checkout: Checkout, file: str) -> None:
    checkout.add_venv("train")
    with (checkout.root / file).open("a") as text:
        text.write("# changed\n")
    checkout.train("x")
    assert checkout.calls[1:] == [f"pip {TORCH}", "pip -e .[train]"]


def test_another_extra_completes_the_venv(checkout: Checkout) -> None:
    checkout.add_venv("train")
    checkout.run("run_tests.sh", "x")
    assert checkout.calls[1:] == [f"pip {TORCH}", "pip -e .[dev]", "run -m pytest x"]


def test_a_venv_that_was_moved_with_its_checkout_is_completed(checkout: Checkout) -> None:
    checkout.add_venv("train")
    checkout.root = checkout.root.rename(checkout.root.with_name("moved"))
    checkout.train("x")
    assert "pip -e .[train]" in checkout.calls


def test_a_venv_made_by_hand_that_has_everything_is_stamped_without_pip(checkout: Checkout) -> None:
    checkout.add_venv()
    ready(checkout, "train", checkout.venv / "bin")
    answer = checkout.train("x")
    assert (answer.status, answer.err) == (0, "")
    assert [call.split()[0] for call in checkout.calls] == ["check"]
    assert checkout.train("x").status == 0
    assert len(checkout.calls) == 1


def test_a_failed_installation_leaves_no_stamp_and_is_taken_up_again(checkout: Checkout) -> None:
    checkout.add_python()
    assert checkout.train("x", PIP_SAYS="ERROR: something").status == 2
    assert checkout.train("x").arguments == ["train", "x"]
    assert checkout.calls.count("venv python3.11") == 1


@pytest.mark.parametrize(
    ("said", "advice"),
    [
        ("OSError: [Errno 28] No space left on device", "The disk is full"),
        ("NewConnectionError: Failed to establish a new connection", "The package index cannot be reached"),
        ("ERROR: No matching distribution found for torch==2.13.0", "The package index cannot be reached or lacks"),
        ("ERROR: ResolutionImpossible: for help visit", "The package index cannot be reached or lacks"),
        ("error: subprocess-exited-with-error", "Mend what it names and start again"),
    ],
)
def test_a_failed_installation_shows_what_pip_said_and_what_to_do(checkout: Checkout, said: str, advice: str) -> None:
    checkout.add_python()
    answer = checkout.train("x", PIP_SAYS=said)
    assert answer.status == 2
    assert f"\n{said}\n" in answer.err
    assert advice in answer.err.splitlines()[-1]
    assert answer.out == ""


def test_a_venv_whose_making_was_interrupted_is_made_again(checkout: Checkout) -> None:
    checkout.add_python()
    checkout.add_python("python", checkout.venv / "bin")
    (checkout.venv / "pyvenv.cfg").touch()  # and no bin/activate yet
    assert checkout.train("x").status == 0
    assert checkout.calls[0] == "venv python3.11"


def test_a_venv_whose_python_is_gone_is_not_deleted(checkout: Checkout) -> None:
    checkout.add_python()
    checkout.add_venv("train")
    (checkout.venv / "bin" / "python").unlink()
    (checkout.venv / "bin" / "python").symlink_to("/nowhere/python3.11")
    answer = checkout.train("x")
    assert answer.status == 2
    assert "does not run" in answer.err
    assert "Move that folder away" in answer.err
    assert (checkout.venv / "bin" / "recipe").exists()


def test_a_venv_of_another_python_is_refused_by_version(checkout: Checkout) -> None:
    checkout.add_venv()
    answer = checkout.train("x", VERSION="3.13.0")
    assert answer.status == 2
    assert "has Python 3.13.0; Python 3.11 or 3.12 is needed" in answer.err


def test_without_any_python_the_message_says_which_is_needed(checkout: Checkout) -> None:
    answer = checkout.train("x")
    assert answer.status == 2
    assert "Python 3.11 or 3.12 is needed and none is on the PATH (no Python is)." in answer.err
    assert not checkout.venv.exists()


def test_a_python_that_does_not_fit_is_named_with_its_version(checkout: Checkout) -> None:
    checkout.add_python("python3")
    answer = checkout.train("x", VERSION="3.9.2")
    assert answer.status == 2
    assert "python3 is Python 3.9.2" in answer.err


def test_a_python_that_is_only_a_name_is_passed_over(checkout: Checkout) -> None:
    shim = checkout.bin / "python3.11"
    shim.write_text("#!/usr/bin/env bash\necho 'python3.11: command not found' >&2\nexit 127\n")
    shim.chmod(0o755)
    checkout.add_python("python3.12")
    assert checkout.train("x").status == 0
    assert checkout.calls[0] == "venv python3.12"


def test_a_python_without_venv_is_passed_over_and_named(checkout: Checkout) -> None:
    checkout.add_python()
    (checkout.bin / "python3.11.lacks-venv").touch()
    assert "python3.11-venv" in checkout.train("x").err
    checkout.add_python("python3.12")
    assert checkout.train("x").status == 0


def test_a_checkout_that_cannot_be_written_is_an_error(checkout: Checkout) -> None:
    checkout.add_python()
    (checkout.root / ".venv.lock").mkdir()  # refused for root too, which reads and writes everything else
    answer = checkout.train("x")
    assert answer.status == 2
    assert f"cannot write into {checkout.root}" in answer.err


@pytest.mark.parametrize("lock", ["flock", "link"])
def test_two_first_starts_at_once_install_once(checkout: Checkout, lock: str) -> None:
    if lock == "link":
        (checkout.bin / "flock").unlink(missing_ok=True)
    elif not (checkout.bin / "flock").exists():
        pytest.skip("this system has no flock")
    checkout.add_python()
    command = checkout.command("run_training.sh", "x")
    variables = checkout.variables | {"PIP_TAKES": "0.5"}
    starts = [subprocess.Popen(command, env=variables, stdout=subprocess.DEVNULL) for _ in range(2)]
    assert [start.wait(timeout=60) for start in starts] == [0, 0]
    assert [call for call in checkout.calls if not call.startswith("check")] == [
        *("venv python3.11", f"pip {TORCH}", "pip -e .[train]")
    ]
    assert not (checkout.root / ".venv.lock.pid").is_symlink()


@pytest.mark.parametrize("lock", ["flock", "link"])
def test_the_lock_of_a_killed_start_does_not_hold_the_next(checkout: Checkout, lock: str) -> None:
    if lock == "link":
        (checkout.bin / "flock").unlink(missing_ok=True)
    checkout.add_python()
    variables = checkout.variables | {"PIP_TAKES": "60"}
    with subprocess.Popen(
        checkout.command("run_training.sh", "x"), env=variables, start_new_session=True, stderr=subprocess.DEVNULL
    ) as killed:
        wait_until(lambda: f"pip {TORCH}" in checkout.calls)
        os.killpg(killed.pid, signal.SIGKILL)
    assert checkout.train("x").status == 0
    assert checkout.calls.count(f"pip {TORCH}") == 2


def test_the_lock_is_free_while_the_training_runs(checkout: Checkout) -> None:
    checkout.add_python()
    recipe = Path(checkout.variables["RECIPE"])
    recipe.write_text(f'#!/usr/bin/env bash\nexec "{checkout.bin}/sleep" 60\n')
    with subprocess.Popen(
        checkout.command("run_training.sh", "x"), env=checkout.variables, stderr=subprocess.DEVNULL
    ) as training:
        wait_until((checkout.venv / "recipe-engine" / "train.stamp").exists)
        assert checkout.run("run_tests.sh", "x").status == 0
        assert training.poll() is None
        training.kill()
