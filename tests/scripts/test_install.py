"""The first start with a real Python and a real pip; only the packages are small ones, made here."""

from __future__ import annotations

import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from .conftest import RECIPE_BODY, Checkout, executable
from .wheels import write_wheel

PYPROJECT = """
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
[project]
name = "recipe-engine"
version = "0.1.0"
dependencies = []
[project.optional-dependencies]
train = ["torch>=2.11", "packaging"]
dev = ["recipe-engine[train]", "tester>=1"]
[project.scripts]
recipe = "recipe_engine.cli:main"
"""
PACKAGES = {"helper", "packaging", "tester", "torch"}
CLI = "def main():\n" + textwrap.indent(RECIPE_BODY, "    ")

# The least that pip asks of a build backend to install a folder editable.
BACKEND = """
from pathlib import Path
from wheels import write_wheel

def build_editable(wheel_directory, config_settings=None, metadata_directory=None):
    requires = ["torch>=2.11; extra == 'train'", "packaging; extra == 'train'", "torch; extra == 'dev'"]
    requires += ["packaging; extra == 'dev'", "tester>=1; extra == 'dev'"]
    files = {"recipe_engine.pth": str(Path.cwd())}
    return write_wheel(wheel_directory, "recipe_engine", "0.1.0", files, requires, "recipe = recipe_engine.cli:main")
"""


@pytest.fixture
def index(tmp_path: Path) -> Path:
    """A folder of wheels, which stands for a package index: two builds of torch, a CPU build among them."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    write_wheel(str(folder), "torch", "2.13.0+cpu", {"torch/__init__.py": ""}, ["helper"])
    write_wheel(str(folder), "torch", "2.15.0", {"torch/__init__.py": ""}, ["helper"])
    for version in ("1.0", "2.0"):
        write_wheel(str(folder), "helper", version, {"helper.py": ""}, [])
    write_wheel(str(folder), "tester", "1.0", {"tester.py": ""}, [])
    write_wheel(str(folder), "packaging", "26.0", packaging_files(), [])
    return folder


def packaging_files() -> dict[str, str]:
    import packaging

    folder = Path(packaging.__file__).parent
    return {f"packaging/{file.relative_to(folder)}": file.read_text("utf-8") for file in folder.rglob("*.py")}


@pytest.fixture
def bare(checkout: Checkout, index: Path) -> Checkout:
    """A checkout on a machine that has Python and an index, nothing more."""
    (checkout.root / "pyproject.toml").write_text(PYPROJECT)
    (checkout.root / "constraints.txt").write_text("torch==2.13.0\nhelper==1.0\n")
    (checkout.root / "backend.py").write_text(BACKEND)
    shutil.copy(Path(__file__).with_name("wheels.py"), checkout.root)
    (checkout.root / "recipe_engine").mkdir()
    (checkout.root / "recipe_engine" / "__init__.py").write_text('__version__ = "0.1.0"\n')
    (checkout.root / "recipe_engine" / "cli.py").write_text(CLI)
    base = Path(getattr(sys, "_base_executable", sys.executable)).resolve()
    executable(checkout.bin / "python3.12", f'#!/usr/bin/env bash\nexec "{base}" "$@"\n')
    checkout.variables |= {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(index), "PIP_CONFIG_FILE": "/dev/null"}
    return checkout


def installed(checkout: Checkout) -> set[str]:
    done = subprocess.run(
        [checkout.venv / "bin" / "python", "-I", "-m", "pip", "list", "--format=freeze", "--disable-pip-version-check"],
        capture_output=True,
        text=True,
        check=True,
    )
    return {line for line in done.stdout.splitlines() if line.split("==")[0] in PACKAGES}


def test_a_bare_machine_trains_after_one_command_and_tests_after_another(bare: Checkout) -> None:
    index = Path(bare.variables["PIP_FIND_LINKS"])
    gone = index.with_name("gone")

    index.rename(gone)
    failed = bare.train("--config", "a b.yaml")
    assert failed.status == 2
    assert "The user requested torch==2.13.0" in failed.err
    assert failed.err.splitlines()[-1].endswith("and start again.")
    assert "The package index cannot be reached or lacks a pinned version." in failed.err

    gone.rename(index)
    answer = bare.train("--config", "a b.yaml")
    assert answer.status == 0, answer.err
    assert answer.arguments == ["train", "--config", "a b.yaml"]
    assert installed(bare) == {"helper==1.0", "packaging==26.0", "torch==2.13.0+cpu"}

    (bare.root / "recipe_engine" / "cli.py").write_text("def main():\n    print('changed')\n")
    assert bare.train("x").out == "changed\n", "the package is not installed editable"

    assert "No module named pytest" in bare.run("run_tests.sh", "x").err, "the tests did not start"
    assert "tester==1.0" in installed(bare)

    index.rename(gone)
    (bare.venv / "recipe-engine" / "train.stamp").unlink()
    assert bare.train("x").err == "", "what is there already was asked for again"
    gone.rename(index)

    (bare.root / "constraints.txt").write_text("torch==2.13.0\nhelper==2.0\n")
    changed = bare.train("x")
    assert "helper is 1.0, wanted is ==2.0" in changed.err
    assert changed.out == "changed\n"
    assert "helper==2.0" in installed(bare)
