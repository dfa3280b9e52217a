from __future__ import annotations

import os
import re
import subprocess
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from .conftest import REPOSITORY

PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text("utf-8"))
EXTRAS = PROJECT["project"]["optional-dependencies"]
SCRIPTS = [*sorted((REPOSITORY / "scripts").rglob("*.sh")), REPOSITORY / ".ci" / "run"]


def constraints() -> dict[str, Requirement]:
    lines = (REPOSITORY / "constraints.txt").read_text("utf-8").splitlines()
    found = [Requirement(line.split("#")[0]) for line in lines if line.split("#")[0].strip()]
    assert len({canonicalize_name(requirement.name) for requirement in found}) == len(found), (
        "a package is pinned twice"
    )
    return {canonicalize_name(requirement.name): requirement for requirement in found}


def stated() -> list[Requirement]:
    texts = PROJECT["project"]["dependencies"] + [text for extra in EXTRAS.values() for text in extra]
    return [requirement for requirement in map(Requirement, texts) if requirement.name != "recipe-engine"]


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_every_script_is_valid_bash(script: Path) -> None:
    subprocess.run(["bash", "-n", script], check=True)


@pytest.mark.parametrize("name", ["scripts/run_training.sh", "scripts/run_tests.sh", ".ci/run"])
def test_every_entry_point_is_executable(name: str) -> None:
    assert os.access(REPOSITORY / name, os.X_OK)


@pytest.mark.parametrize("requirement", stated(), ids=lambda requirement: requirement.name)
def test_every_dependency_is_pinned_within_its_stated_range(requirement: Requirement) -> None:
    (pin,) = constraints()[canonicalize_name(requirement.name)].specifier
    assert pin.operator == "=="
    assert requirement.specifier.contains(pin.version)


def test_every_dependency_says_what_it_is_for() -> None:
    text = (REPOSITORY / "pyproject.toml").read_text("utf-8")
    for requirement in stated():
        assert re.search(rf'^ +"{re.escape(requirement.name)}[^"]*",? +# \w', text, re.MULTILINE), requirement.name


def test_the_linter_needs_no_more_than_four_packages() -> None:
    names = {Requirement(text).name for text in PROJECT["project"]["dependencies"]}
    assert names == {"pydantic", "pyyaml", "rich", "typer"}
