from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict, cast

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
# What the scripts may use besides Python. flock is left out where a test wants the other lock.
TOOLS = [
    "bash",
    "cat",
    "cksum",
    "cp",
    "dirname",
    "flock",
    "grep",
    "head",
    "ln",
    "mkdir",
    "mv",
    "readlink",
    "rm",
    "sh",
    "sleep",
    "tail",
    "touch",
]

# Prints what it was given and from where, as JSON, so that a test sees what arrives behind the script.
RECIPE_BODY = """
import json, os, sys
variables = {name: os.environ.get(name) for name in ("PATH", "VIRTUAL_ENV", "PYTHONHOME")}
print(json.dumps({"argv": sys.argv, "folder": os.getcwd(), "variables": variables}))
"""
# Started through a shell, as installers do it: the path of a Python with a space in it cannot stand behind "#!".
RECIPE = f"""#!/bin/sh
'''exec' {shlex.quote(sys.executable)} "$0" "$@"
' '''
{RECIPE_BODY}"""

# A Python that answers the questions of environment.sh from its own folder's `answers`, and notes each call in $CALLS.
# It stands for an interpreter with pip and an index, neither of which a test may reach for.
PYTHON = """#!/usr/bin/env bash
all=$*
case $all in
  -V) echo "Python ${VERSION:-3.11.9}" ;;
  *version_info*) [[ ${VERSION:-3.11.9} == 3.1[12].* ]] ;;
  *ensurepip*) [[ ! -e $0.lacks-venv ]] ;;
  *check_environment.py*)
    echo "check ${0##*/} $all" >>"$CALLS"
    if [[ $all == *--pinned* ]]; then state=${0%/*}; else state=$ACTIVE; fi
    if [[ -e $state/ready-for-$4 ]]; then echo "$ACTIVE/recipe"; else echo "torch is not installed" >&2; exit 10; fi ;;
  "-m venv "*)
    echo "venv ${0##*/}" >>"$CALLS"
    mkdir -p "$3/bin" && cp "$0" "$3/bin/python" && touch "$3/bin/activate" "$3/pyvenv.cfg" ;;
  *"-m pip install"*)
    echo "pip ${all##*-c constraints.txt }" >>"$CALLS"
    [[ -z ${PIP_TAKES-} ]] || sleep "$PIP_TAKES"
    if [[ ${PIP_SAYS-} ]]; then echo "$PIP_SAYS"; exit 1; fi
    if [[ $all == *" -e "* ]]; then cp "$RECIPE" "${0%/*}/recipe"; fi ;;
  "-I -c "*) ;;
  *) echo "run $all" >>"$CALLS"; [[ $all != *"${FAILING:-nothing fails}"* ]] ;;
esac
"""


class Seen(TypedDict):
    """What reached `recipe`."""

    argv: list[str]
    folder: str
    variables: dict[str, str | None]


@dataclass
class Answer:
    """How a script ended, and where `recipe` was started, what it saw."""

    status: int
    out: str
    err: str

    @property
    def seen(self) -> Seen:
        return cast(Seen, json.loads(self.out))

    @property
    def command(self) -> str:
        return self.seen["argv"][0]

    @property
    def arguments(self) -> list[str]:
        return self.seen["argv"][1:]


@dataclass
class Checkout:
    """A copy of the scripts in a folder of its own, with a PATH that holds only what a test puts there."""

    root: Path
    bin: Path
    variables: dict[str, str]

    @property
    def venv(self) -> Path:
        return self.root / ".venv"

    def add_python(self, name: str = "python3.11", folder: Path | None = None) -> Path:
        return executable((folder or self.bin) / name, PYTHON)

    def add_venv(self, *extras: str) -> None:
        """A .venv as the scripts leave it: complete for these extras."""
        self.add_python("python", self.venv / "bin")
        executable(self.venv / "bin" / "recipe", RECIPE)
        (self.venv / "bin" / "activate").touch()
        for extra in extras:
            self.stamp(extra)

    def stamp(self, extra: str) -> None:
        files = [self.root / "pyproject.toml", self.root / "constraints.txt"]
        made_from = subprocess.run(["cksum", *files], capture_output=True, text=True, check=True).stdout
        (self.venv / "recipe-engine").mkdir(exist_ok=True)
        (self.venv / "recipe-engine" / f"{extra}.stamp").write_text(made_from)

    def command(self, script: str, *arguments: str) -> list[str]:
        return [str(self.root / "scripts" / script), *arguments]

    def run(self, script: str, *arguments: str, cwd: Path | None = None, **variables: str) -> Answer:
        done = subprocess.run(
            self.command(script, *arguments),
            cwd=cwd,
            env=self.variables | variables,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
        )
        return Answer(done.returncode, done.stdout, done.stderr)

    def train(self, *arguments: str, cwd: Path | None = None, **variables: str) -> Answer:
        return self.run("run_training.sh", *arguments, cwd=cwd, **variables)

    @property
    def calls(self) -> list[str]:
        """What the Pythons were asked for, in order."""
        file = Path(self.variables["CALLS"])
        return file.read_text().splitlines() if file.exists() else []


def executable(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


def wait_until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < end, "waited 30 s in vain"
        time.sleep(0.02)


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    """A checkout in a folder with spaces in its name, and no Python at all."""
    root = tmp_path / "my check out"
    (root / "scripts" / "lib").mkdir(parents=True)
    for name in ("scripts/run_training.sh", "scripts/run_tests.sh", "pyproject.toml", "constraints.txt"):
        shutil.copy(REPOSITORY / name, root / name)
    for file in (REPOSITORY / "scripts" / "lib").glob("*.*"):
        shutil.copy(file, root / "scripts" / "lib" / file.name)
    tools = tmp_path / "bin"
    tools.mkdir()
    for tool in TOOLS:
        found = shutil.which(tool)
        if found is not None:
            (tools / tool).symlink_to(found)
    variables = {
        "PATH": str(tools),
        "HOME": str(tmp_path),
        "CALLS": str(tmp_path / "calls"),
        "ACTIVE": str(tmp_path / "active"),
        "RECIPE": str(executable(tmp_path / "active" / "recipe", RECIPE)),
        "LC_ALL": os.environ.get("LC_ALL", "C.UTF-8"),
    }
    return Checkout(root, tools, variables)
