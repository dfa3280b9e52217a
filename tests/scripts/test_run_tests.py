from __future__ import annotations

from pathlib import Path

from .conftest import REPOSITORY, Checkout, executable


def test_without_arguments_every_check_runs_and_pytest_last(checkout: Checkout) -> None:
    checkout.add_venv("dev")
    assert checkout.run("run_tests.sh").status == 0
    runs = [call.removeprefix("run ") for call in checkout.calls]
    assert runs[:3] == ["-m ruff check", "-m ruff format --check", "-m mypy"]
    assert "importlinter" in runs[3]
    assert runs[4:] == ["-m pytest -n 2 --dist loadgroup"]


def test_a_failing_check_does_not_hide_the_others_but_fails_the_run(checkout: Checkout) -> None:
    checkout.add_venv("dev")
    answer = checkout.run("run_tests.sh", FAILING="ruff")
    assert answer.status == 1
    assert len(checkout.calls) == 5
    assert answer.err == "run_tests.sh: failed besides pytest: ruff check, ruff format (shown above).\n"


def test_a_failing_pytest_fails_the_run(checkout: Checkout) -> None:
    checkout.add_venv("dev")
    assert checkout.run("run_tests.sh", FAILING="pytest -n").status == 1


def test_with_arguments_pytest_alone_gets_them_unchanged(checkout: Checkout) -> None:
    checkout.add_venv("dev")
    executable(
        checkout.venv / "bin" / "python",
        '#!/usr/bin/env bash\nprintf "<%s>" "$@"\nprintf "%s" "$PWD $OMP_NUM_THREADS"\n',
    )
    answer = checkout.run("run_tests.sh", "-k", "a and 'b c'", "--", "x\ny", cwd=Path("/"))
    assert answer.out == f"<-m><pytest><-k><a and 'b c'><--><x\ny>{checkout.root} 1"


def test_the_long_forms_are_a_run_of_everything_or_of_what_is_named(checkout: Checkout) -> None:
    checkout.add_venv("dev")
    assert checkout.run("run_tests.sh", "--long").status == 0
    assert len(checkout.calls) == 5
    assert checkout.calls[4] == "run -m pytest -n 2 --dist loadgroup --long"
    assert checkout.run("run_tests.sh", "--long", "tests/faults").status == 0
    assert checkout.calls[5:] == ["run -m pytest --long tests/faults"]


def test_help_needs_no_environment(checkout: Checkout) -> None:
    answer = checkout.run("run_tests.sh", "--help")
    assert answer.status == 0
    assert answer.out.startswith("Usage: ./scripts/run_tests.sh")
    assert not checkout.venv.exists()


def test_ci_runs_this_script_and_nothing_else(checkout: Checkout) -> None:
    ci = checkout.root / ".ci" / "run"
    executable(ci, (REPOSITORY / ".ci" / "run").read_text())
    checkout.add_venv("dev")
    assert checkout.run("../.ci/run").status == 0
    assert len(checkout.calls) == 5
