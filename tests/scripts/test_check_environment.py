"""What counts as an environment that has the package: real environments, with packages that are only metadata."""

from __future__ import annotations

import importlib.metadata
import shutil
import subprocess
import sys
import venv
from dataclasses import dataclass
from pathlib import Path

import pytest

from .conftest import REPOSITORY

PYPROJECT = """
[project]
name = "recipe-engine"
dependencies = ["core>=1"]
[project.optional-dependencies]
train = ["torch>=2.11", "trl[quick]>=1.16,<1.17", "absent; sys_platform == 'nowhere'"]
dev = ["recipe-engine[train]", "tester"]
[project.scripts]
recipe = "recipe_engine.cli:main"
"""
CONSTRAINTS = "torch==2.13.0 # first\ntrl==1.16.0\nbelow_it<=3\ncore==1.5\n"


@dataclass
class Environment:
    """A checkout and a virtual environment beside it, at first with everything that the train extra needs."""

    checkout: Path
    folder: Path

    @property
    def site(self) -> Path:
        return self.folder / "lib" / f"python3.{sys.version_info.minor}" / "site-packages"

    def install(self, name: str, version: str, requires: tuple[str, ...] = ()) -> Path:
        for old in self.site.glob(f"{name}-*.dist-info"):
            shutil.rmtree(old)
        info = self.site / f"{name}-{version}.dist-info"
        info.mkdir()
        lines = [f"Name: {name}", f"Version: {version}", *(f"Requires-Dist: {text}" for text in requires)]
        (info / "METADATA").write_text("Metadata-Version: 2.1\n" + "\n".join(lines) + "\n")
        return info

    def install_package(self, source: Path | None, version: str = "0.1.0") -> None:
        """recipe-engine, editable from a checkout, or else as a copy."""
        info = self.install("recipe_engine", version)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: recipe-engine\nVersion: {version}\n")
        (info / "entry_points.txt").write_text("[console_scripts]\nrecipe = recipe_engine.cli:main\n")
        (info / "RECORD").write_text("../../../bin/recipe,,\nrecipe_engine/__init__.py,,\n")
        if source is None:
            shutil.copytree(self.checkout / "recipe_engine", self.site / "recipe_engine")
        else:
            (self.site / "recipe_engine.pth").write_text(f"{source}\n")

    def check(self, extra: str, *options: str, isolate: str = "-I", cwd: Path | None = None) -> tuple[int, str]:
        done = subprocess.run(
            [
                *(self.folder / "bin" / "python", isolate, REPOSITORY / "scripts/lib/check_environment.py"),
                *(self.checkout, extra, *options),
            ],
            cwd=cwd,
            capture_output=True,
            text=True,
        )
        return done.returncode, (done.stdout + done.stderr).strip()


def make_checkout(root: Path) -> Path:
    (root / "recipe_engine").mkdir(parents=True)
    (root / "recipe_engine" / "__init__.py").write_text('__version__ = "0.1.0"\n')
    (root / "pyproject.toml").write_text(PYPROJECT)
    (root / "constraints.txt").write_text(CONSTRAINTS)
    return root


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    made = Environment(make_checkout(tmp_path / "a check out"), tmp_path / "env")
    venv.create(made.folder, symlinks=True)
    (made.folder / "bin" / "recipe").touch()
    for file in importlib.metadata.files("packaging") or ():
        if file.suffix == ".py" or file.name == "METADATA":
            target = made.site / file
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(str(file.locate()), target)
    made.install("core", "1.5")
    made.install("torch", "2.13.0+cpu", ("below-it>=1", "elsewhere; sys_platform == 'nowhere'"))
    made.install("below_it", "3.0")
    made.install("trl", "1.16.0", ("speed>=1; extra == 'quick'", "unasked; extra == 'other'"))
    made.install("speed", "1.0")
    made.install_package(made.checkout)
    return made


@pytest.mark.parametrize("options", [(), ("--pinned",)])
def test_a_complete_environment_gives_the_path_of_recipe(environment: Environment, options: tuple[str, ...]) -> None:
    assert environment.check("train", *options) == (0, str(environment.folder / "bin" / "recipe"))


def test_an_extra_that_is_not_there_is_missing(environment: Environment) -> None:
    assert environment.check("dev") == (10, "tester is not installed")


def test_an_extra_asks_for_what_the_extras_within_it_ask_for(environment: Environment) -> None:
    environment.install("tester", "1.0")
    environment.install("trl", "1.15.0")
    assert environment.check("dev") == (10, "trl is 1.15.0, wanted is <1.17,>=1.16")


def test_without_pins_a_version_within_the_range_is_enough(environment: Environment) -> None:
    environment.install("torch", "2.12.1")
    assert environment.check("train")[0] == 0
    assert environment.check("train", "--pinned") == (10, "torch is 2.12.1, wanted is ==2.13.0")


def test_pins_hold_for_what_the_dependencies_depend_on(environment: Environment) -> None:
    environment.install("below_it", "4.0")
    assert environment.check("train")[0] == 0
    assert environment.check("train", "--pinned") == (10, "below-it is 4.0, wanted is <=3")


def test_the_extras_of_a_dependency_are_followed(environment: Environment) -> None:
    shutil.rmtree(environment.site / "speed-1.0.dist-info")
    assert environment.check("train", "--pinned") == (10, "speed is not installed")


def test_a_dependency_that_pyproject_gained_since_the_installation_is_missing(environment: Environment) -> None:
    (environment.checkout / "pyproject.toml").write_text(PYPROJECT.replace('"core>=1"', '"core>=1", "newcomer"'))
    assert environment.check("train", "--pinned") == (10, "newcomer is not installed")


def test_a_command_that_pyproject_gained_since_the_installation_is_missing(environment: Environment) -> None:
    (environment.checkout / "pyproject.toml").write_text(PYPROJECT + 'other = "recipe_engine.cli:other"\n')
    assert environment.check("train") == (10, "the commands of recipe-engine have changed since it was installed")


@pytest.mark.parametrize("options", [(), ("--pinned",)])
def test_an_editable_installation_of_another_checkout_does_not_count(
    environment: Environment, options: tuple[str, ...]
) -> None:
    other = make_checkout(environment.checkout.with_name("another"))
    environment.install_package(other)
    assert environment.check("train", *options) == (10, f"recipe_engine is installed from {other}")


def test_a_copy_of_the_same_version_counts_unless_pinned(environment: Environment) -> None:
    (environment.site / "recipe_engine.pth").unlink()
    environment.install_package(None)
    assert environment.check("train")[0] == 0
    assert environment.check("train", "--pinned") == (10, f"recipe_engine is installed from {environment.site}")


def test_a_copy_of_another_version_does_not_count(environment: Environment) -> None:
    (environment.site / "recipe_engine.pth").unlink()
    environment.install_package(None, version="0.0.9")
    assert environment.check("train") == (10, "recipe-engine is 0.0.9, another version than this checkout's")


@pytest.mark.parametrize("isolate", ["-I", "-P"])
def test_a_checkout_in_the_current_directory_is_not_an_installation(environment: Environment, isolate: str) -> None:
    shutil.rmtree(environment.site / "recipe_engine-0.1.0.dist-info")
    (environment.site / "recipe_engine.pth").unlink()
    answer = environment.check("train", isolate=isolate, cwd=environment.checkout)
    assert answer == (10, "recipe-engine is not installed")
