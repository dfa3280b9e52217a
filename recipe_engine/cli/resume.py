"""``recipe resume``: go on with a run, exactly as it was compiled."""

from __future__ import annotations

import os

import typer

from recipe_engine.cli.common import NodeRank, Rendezvous, fail
from recipe_engine.cli.jobs import RunName, status_of_run


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

    One of several machines is started on each of them, with --rendezvous and its own --node-rank.
    """
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
