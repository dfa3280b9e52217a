"""``recipe resume``: go on with a run, exactly as it was compiled."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from recipe_engine.cli.common import NodeRank, Rendezvous, fail
from recipe_engine.cli.jobs import RunName, pipeline_named, status_of_run

if TYPE_CHECKING:
    from recipe_engine.pipeline.status import PipelineStatus


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command()(resume)


def resume(
    run: str = RunName,
    node_rank: NodeRank = None,
    rendezvous: Rendezvous = None,
    nohup: bool = typer.Option(False, "--nohup", help="Run in the background; the shell may be closed."),
) -> None:
    """Go on with a run from its newest whole checkpoint, exactly as it was compiled.

    One of several machines is started on each of them, with --rendezvous and its own --node-rank. A pipeline is run
    again as it was started last: with the same file, overrides and options.
    """
    if (pipeline := pipeline_named(run)) is not None:
        _resume_pipeline(run, pipeline, nohup)
        return
    from recipe_engine.cli.train import place_or_exit, start
    from recipe_engine.launch.resume import recipe_of

    found = status_of_run(run)
    place = place_or_exit(found.run, node_rank, rendezvous)
    is_other = place is not None and place.node > 0  # the first may be there already
    if found.state == "done" or (found.state == "running" and not is_other):
        fail("T514", f"{run} cannot be resumed: it is {found.state}")
    if os.path.realpath(found.run.output_dir) != os.path.realpath(found.folder):
        hint = "move it back, or start its recipe with training.output_dir and training.resume naming what is here"
        fail("T514", f"{run} was moved: it was made in {found.run.output_dir}", hint)
    # As its newest checkpoint was trained: a start with another recipe may have failed since.
    run_again = recipe_of(found.checkpoint, found.run) if found.checkpoint else found.run
    kept = sorted((found.folder / "run/recipe").glob("*"))
    texts = {path.name.partition("-")[2]: path.read_text(encoding="utf-8") for path in kept}
    again = run_again.model_copy(update={"resume": "auto", "checkpoint": None})
    start(again, texts, place, overwrite=False, nohup=nohup)


def _resume_pipeline(run: str, found: PipelineStatus, nohup: bool) -> None:
    from recipe_engine.cli.run import checked_graph, start

    if found.state == "running":
        fail("T514", f"{run} cannot be resumed: it is running")
    record = found.record
    if not os.path.isfile(record.file) or not os.path.isdir(record.folder):
        fail("T513", f"{run} was started from {record.file} in {record.folder}, and one of them is not there")
    os.chdir(record.folder)  # relative names of models and rows count from there
    graph = checked_graph(Path(record.file), record.overrides, record.gpus)
    start(graph, record.model_copy(update={"pid": os.getpid(), "time": time.time(), "replace": False}), nohup=nohup)
