"""Checking what a pipeline reads from this machine: its datasets row by row, and that its models are there."""

from __future__ import annotations

from recipe_engine.data.check import local_rows
from recipe_engine.data.errors import DataError
from recipe_engine.diagnostics import Diagnostic, Severity
from recipe_engine.launch.errors import LaunchError
from recipe_engine.lint.allow import without_allowed
from recipe_engine.lint.data import check_entry
from recipe_engine.lint.reader import read_recipe
from recipe_engine.lint.report import Report, shown
from recipe_engine.pipeline.check import CheckedPipeline
from recipe_engine.pipeline.folders import output_dir_of
from recipe_engine.pipeline.graph import Graph, Node
from recipe_engine.pipeline.outside import Outside, outside_of
from recipe_engine.pipeline.resolve import preview, work_of
from recipe_engine.pipeline.training import with_tree
from recipe_engine.recipe.data import DatasetEntry


def check_pipeline_data(checked: CheckedPipeline) -> list[Diagnostic]:
    """What is wrong with the datasets and the local models that a checked pipeline names; nothing for one with errors.

    Datasets that a train stage reads are converted as for its training; of those of other stages every row is read.
    """
    if checked.graph is None:
        return []
    work = work_of(checked.graph)
    found: list[Diagnostic] = []
    for node in checked.graph.nodes:
        trained = _check_trained(checked.graph, node, found)
        for one in outside_of(work, node):
            if one.wants == "model":
                _check_model(one, found)
            elif one.path not in trained:
                _check_rows(one, found)
    return without_allowed(list(dict.fromkeys(found)), checked.texts)


def _check_trained(graph: Graph, node: Node, found: list[Diagnostic]) -> set[tuple[str | int, ...]]:
    """Check the datasets of a train stage that no stage makes. Returns their places."""
    places: set[tuple[str | int, ...]] = set()
    if node.recipe is None:
        return places
    document = node.recipe.document
    recipe = read_recipe(Report(with_tree(document, preview(graph, node, output_dir_of(graph)))))
    if recipe is None:
        raise AssertionError(f"the recipe of {node.id} was not checked")
    for key, entries in (("datasets", recipe.data.datasets), ("eval_datasets", recipe.data.eval_datasets)):
        for index, entry in enumerate(entries):
            path = ("data", key, index)
            if not document.tree["data"][key][index]["name"].startswith("$"):
                check_entry(document, path, entry, recipe, found)
                places.add((*path, "name"))
    return places


def _check_model(one: Outside, found: list[Diagnostic]) -> None:
    try:
        one.demand_model()
    except LaunchError as error:
        found.append(Diagnostic(error.code, "error", error.message, one.document.value_span(one.path), error.hint))


def _check_rows(one: Outside, found: list[Diagnostic]) -> None:
    span = one.document.value_span(one.path)
    try:
        rows = local_rows(DatasetEntry(name=one.name, split=one.split))
        if rows is None:
            message = f"{shown(one.name)} is not on this machine, so its rows are not checked"
            found.append(Diagnostic("D408", "note", message, span))
        elif not sum(1 for _ in rows):
            found.append(Diagnostic("D406", "error", f"{shown(one.name)}: it holds no rows", span))
    except DataError as error:
        severity: Severity = "note" if error.code == "D408" else "error"
        found.append(Diagnostic(error.code, severity, f"{shown(one.name)}: {error.message}", span, error.hint))
