"""What the verbs that look at runs share: a run is named by its folder, and known by its files alone."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from recipe_engine.cli.common import fail

if TYPE_CHECKING:
    from recipe_engine.launch.runs import RunStatus

RunName = typer.Argument(..., metavar="RUN", help="The run's output folder, or its name under models/.")


def status_of_run(run: str) -> RunStatus:
    """The status of a named run; without one the command ends."""
    from recipe_engine.launch.errors import LaunchError
    from recipe_engine.launch.runs import status_of

    folder = Path(run) if Path(run, "run").is_dir() else Path("models", run)
    try:
        return status_of(folder)
    except LaunchError as error:
        fail(error.code, error.message, error.hint)
