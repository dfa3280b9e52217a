"""What the verbs that look at runs share: a run is named by its folder, and known by its files alone."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from recipe_engine.cli.common import fail

if TYPE_CHECKING:
    from recipe_engine.launch.runs import RunStatus
    from recipe_engine.pipeline.status import PipelineStatus

RunName = typer.Argument(
    ..., metavar="RUN", help="The output folder of a run or a pipeline, or its name under models/."
)


def pipeline_named(run: str) -> PipelineStatus | None:
    """The status of a pipeline by its folder, or by its name under models/; none where it is no pipeline."""
    for folder in (Path(run), Path("models", run)):
        if (folder / "pipeline.json").is_file():
            from recipe_engine.pipeline.status import status_of

            return status_of(folder)
    return None


def status_of_run(run: str) -> RunStatus:
    """The status of a named run; without one the command ends."""
    from recipe_engine.launch.errors import LaunchError
    from recipe_engine.launch.runs import status_of

    folder = Path(run) if Path(run, "run").is_dir() else Path("models", run)
    try:
        return status_of(folder)
    except LaunchError as error:
        fail(error.code, error.message, error.hint)
