"""Checking a pipeline: the shape of its stages, the graph, and the recipes of its train stages."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

from recipe_engine.diagnostics import Diagnostic, Related
from recipe_engine.lint import Checked, examine, in_order
from recipe_engine.lint.allow import unused_allowances, without_allowed
from recipe_engine.lint.report import Report
from recipe_engine.lint.secrets import mask_secrets, report_secrets
from recipe_engine.pipeline.checks import Findings, columns, machine, names, settings
from recipe_engine.pipeline.folders import output_dir_of
from recipe_engine.pipeline.graph import Graph, Node, nodes_of
from recipe_engine.pipeline.reader import read_pipeline
from recipe_engine.pipeline.resolve import preview
from recipe_engine.pipeline.training import recipe_of, with_tree
from recipe_engine.recipe.root import Recipe
from recipe_engine.recipe.stages.train import TrainStage
from recipe_engine.source import Document, load


@dataclass(frozen=True)
class CheckedPipeline(Checked):
    """The outcome of checking a pipeline: its graph, if it has no errors."""

    graph: Graph | None = None


def check_pipeline(
    file: str | os.PathLike[str], overrides: Sequence[str] = (), gpus: int | None = None
) -> CheckedPipeline:
    """Check one pipeline, and the recipes of its train stages. Never raises for what the files hold."""
    texts: dict[str, str] = {}
    document, found = load(file, overrides, texts=texts)
    found = mask_secrets(found, texts)
    if document is None:
        return CheckedPipeline(os.fspath(file), None, None, in_order(found), texts)
    return check_document(document, found, gpus)


def check_document(document: Document, found: Sequence[Diagnostic], gpus: int | None = None) -> CheckedPipeline:
    """Check a pipeline that has been read; ``found`` is what reading found."""
    report = Report(document, list(found))
    report_secrets(report)
    pipeline = read_pipeline(report)
    graph = None
    if pipeline is not None:
        graph = nodes_of(pipeline, document)
        _check(graph, report, gpus)
    kept = without_allowed(report.diagnostics, document.texts)
    if graph is not None and document.file in document.texts:
        kept.extend(unused_allowances(report.diagnostics, document.file, document.texts[document.file]))
    return CheckedPipeline(
        document.file, document, None, in_order(kept), document.texts, None if report.has_errors else graph
    )


def _check(graph: Graph, report: Report, gpus: int | None) -> None:
    """Check everything that can be told: a stage that is wrong keeps none of the others from being checked."""
    thinking = report.document.tree.get("thinking")
    findings = Findings(graph, report.diagnostics, gpus)
    wrong: set[Node] = set()
    for node in graph.nodes:
        before = findings.errors
        if isinstance(node.stage, TrainStage):
            node.recipe = recipe_of(node.stage, node.path, report, thinking)
        if findings.errors > before:
            wrong.add(node)
    wrong |= names.check(findings)
    recipes: dict[Node, Recipe] = {}
    for node in graph.nodes:
        if node.recipe is not None and node not in wrong:
            recipe, found = _check_recipe(graph, node, gpus)
            report.diagnostics += found
            if recipe is not None:
                recipes[node] = recipe
    wrong |= settings.check(findings, wrong)
    machine.check(findings)
    columns.check(findings, recipes, wrong)


def _check_recipe(graph: Graph, node: Node, gpus: int | None) -> tuple[Recipe | None, list[Diagnostic]]:
    """Check the recipe of a train stage with what its names stand for in the first iteration."""
    if node.recipe is None:
        raise AssertionError(f"{node.id} trains nothing")
    document = with_tree(node.recipe.document, preview(graph, node, output_dir_of(graph)))
    inner = Report(document)
    recipe = examine(inner, node.stage.gpus if node.stage.gpus is not None else gpus)
    if recipe is not None and recipe.launch.nodes > 1:
        message = f"{node.id} would train on {recipe.launch.nodes} machines, and a pipeline runs on one"
        hint = "set launch.nodes: 1 in the stage's overrides; or train the recipe by itself with `recipe submit`"
        named = () if node.recipe.own else (Related(graph.document.value_span((*node.path, "recipe")), "trained here"),)
        inner.add("P127", "error", ("launch", "nodes"), message, hint=hint, related=named)
    return recipe, inner.diagnostics
