"""Rows and models from outside of the pipeline, by the places that name them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from recipe_engine.launch.errors import LaunchError
from recipe_engine.launch.preflight import demand_builtin, demand_model_folder
from recipe_engine.pipeline.graph import Named, Node
from recipe_engine.pipeline.instances import External, Instance, source_of
from recipe_engine.pipeline.references import OF_SERVICES, Wants, wanted_at
from recipe_engine.pipeline.resolve import Work, absolute
from recipe_engine.recipe.stages.generate import HttpEngine
from recipe_engine.source import Document, Path

_TOKENIZERS = frozenset({"tokenizer", "tokenizer_name"})


@dataclass(frozen=True, slots=True)
class Outside:
    """A name of rows or of a model that no stage makes."""

    name: str
    wants: Wants
    path: Path
    document: Document
    split: str
    """Of rows."""
    asked_by: str
    """The stage, and what it wrote."""

    def demand_model(self) -> None:
        """Check that an embedded or local model is there.

        Raises:
            LaunchError: it is not, or its folder holds no model.
        """
        demand_builtin(self.asked_by, self.name)
        file = "tokenizer_config.json" if self.path[-1] in _TOKENIZERS else "config.json"
        demand_model_folder(self.asked_by, self.name, file)


def outside_of(work: Work, node: Node) -> Iterator[Outside]:
    """What a stage names from outside of the pipeline, directly or by a ``$name``; not the models of services."""
    start: Path
    if node.recipe is not None:
        tree, start, document = node.recipe.document.tree, (), node.recipe.document
    else:
        tree = {key: value for key, value in node.tree.items() if key != "stages"}
        start, document = node.path, node.document
    instance = Instance(node, 0 if node.loop is not None else None)
    of_service = isinstance(getattr(node.stage, "engine", None), HttpEngine)
    skipped = {(*start, "model"), (*start, "base")} if of_service else set()
    for path, name, split in _names(tree, start):
        if path not in skipped and not name.startswith("$"):
            yield Outside(name, wanted_at(path) or "rows", path, document, split, f"{node.id}: {_key(path)}")
    for one, written in node.references:
        source = source_of(work.graph, one, instance, work.iterations)
        target = work.graph.target(one.name, node)
        if not isinstance(source, External) or one.path in skipped or not isinstance(target, Named):
            continue  # what a loop carries or slices stands in the loop
        place: Path = ("models", target.name)
        where = work.graph.document if place in work.graph.document.marks else written
        path = place if where is work.graph.document else one.path
        yield Outside(source.name, one.wants, path, where, "train", f"{node.id}: {one.text}")


def missing_models(work: Work, node: Node) -> list[str]:
    """The local models that a stage names and that are not there."""
    found = []
    for one in outside_of(work, node):
        if one.wants == "model":
            try:
                one.demand_model()
            except LaunchError:
                found.append(absolute(one.name))
    return list(dict.fromkeys(found))


def _names(tree: Any, path: Path) -> Iterator[tuple[Path, str, str]]:
    entries = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    of_service = isinstance(tree, dict) and tree.get("type") in OF_SERVICES
    for key, value in entries:
        here = (*path, key)
        if not isinstance(value, str):
            yield from _names(value, here)
        elif wanted_at(here) is not None and not (of_service and key == "model"):
            split = tree.get("split", "train") if isinstance(tree, dict) else "train"
            yield here, value, str(split)


def _key(path: Path) -> str:
    return next(str(part) for part in reversed(path) if isinstance(part, str))
