"""``recipe plan``: what will run, without running it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from recipe_engine.cli.common import NumNodes, Overrides, check_or_exit, fail, with_nodes
from recipe_engine.cli.output import write

if TYPE_CHECKING:
    from recipe_engine.compile import Compilation
    from recipe_engine.pipeline.graph import Graph


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command()(plan)


def plan(
    file: Path = typer.Argument(..., metavar="FILE", help="The recipe or pipeline (YAML)."),
    overrides: Overrides = None,
    num_gpus: int = typer.Option(0, "--num-gpus", min=0, metavar="N", help="GPUs to plan for; 0 is the CPU."),
    num_nodes: NumNodes = None,
    as_json: bool = typer.Option(False, "--json", help="Print JSON, with every default of TRL's too."),
) -> None:
    """Show what a recipe will run: arguments and where each comes from, batch, rows, steps, command, files.

    Of a pipeline: its stages, their rows and steps, and what of it is complete.
    """
    from recipe_engine.cli.run import checked_graph, is_pipeline_file

    if is_pipeline_file(file):
        show_pipeline(checked_graph(file, overrides or [], num_gpus), num_gpus, as_json)
        return
    checked = check_or_exit(file, with_nodes(overrides, num_nodes), num_gpus)

    from recipe_engine.compile import Options, compile_recipe

    show_plan(compile_recipe(checked.recipe, checked.document, Options(num_gpus)), as_json)


def show_plan(compilation: Compilation, as_json: bool) -> None:
    """Print the plan of a compiled run, as text or as JSON."""
    from recipe_engine.cli.plan_text import plan_as_text
    from recipe_engine.data.errors import DataError
    from recipe_engine.diagnostics.visible import visible_lines
    from recipe_engine.launch.command import worker_command
    from recipe_engine.plan.summary import plan_as_data

    try:
        data = plan_as_data(compilation, worker_command(compilation.run))
    except DataError as error:
        fail(error.code, error.message, error.hint)
    write(json.dumps(data, indent=1) if as_json else visible_lines(plan_as_text(data)))


def show_pipeline(graph: Graph, gpus: int, as_json: bool) -> None:
    """Print the plan of a checked pipeline, as text or as JSON."""
    from recipe_engine.cli.pipeline_text import plan_as_text
    from recipe_engine.diagnostics.visible import visible_lines
    from recipe_engine.pipeline.plan import plan_of
    from recipe_engine.pipeline.resolve import work_of

    data = plan_of(work_of(graph, gpus))
    write(json.dumps(data, indent=1, ensure_ascii=False) if as_json else visible_lines(plan_as_text(data)))
