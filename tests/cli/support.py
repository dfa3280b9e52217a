"""Running the command as a user does, in this process or in one of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from typer.testing import CliRunner, Result

from recipe_engine.cli import app

ROOT = Path(__file__).parents[2]
VALID = """\
model:
  base_model_name: builtin/tiny-chat
data:
  datasets:
    - name: builtin/conversations
training:
  algorithm: sft
"""
WARNED = VALID + "  learning_rate: 0.5\n"
BROKEN = VALID + "  learning_rte: 1e-5\n"


def recipe(*arguments: str, env: dict[str, str | None] | None = None) -> Result:
    """Run the command in this process. ``env`` sets variables, or removes them with None."""
    clean: dict[str, str | None] = {"GITHUB_ACTIONS": None, "GITHUB_WORKSPACE": None, "TERMINAL_WIDTH": "200"}
    return CliRunner().invoke(app, arguments, env={**clean, **(env or {})}, catch_exceptions=False)


def process(
    *arguments: str, cwd: Path | None = None, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[bytes]:
    """Run the command in a process of its own."""
    variables = {key: value for key, value in os.environ.items() if not key.startswith(("GITHUB_", "LC_", "LANG"))}
    return subprocess.run(
        [sys.executable, "-m", "recipe_engine.cli", *arguments],
        cwd=cwd,
        env={**variables, "PYTHONPATH": str(ROOT), **(env or {})},
        capture_output=True,
        check=False,
        timeout=60,
    )
