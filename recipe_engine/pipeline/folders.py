"""Where everything of a pipeline stands."""

from __future__ import annotations

import os
from pathlib import Path

from recipe_engine.compiled_stage import ROWS
from recipe_engine.pipeline.graph import Graph, Node
from recipe_engine.pipeline.instances import Instance

BEGUN = "begun.json"
"""Name of the file that says what a stage was begun with: written before its process starts."""
MANIFEST = "manifest.json"
"""Name of the file that says what a stage was made of and has made: written last of all."""
LOG = "log.txt"
"""Name of the file, in a stage's folder, with the output of its process."""
MODEL, MERGED = "model", "merged"
"""Folders of a train stage: its recipe's output, and where that is an adapter, the whole model."""


def output_dir_of(graph: Graph) -> str:
    """The folder of everything that a pipeline makes."""
    given = graph.pipeline.output_dir
    stem = Path(graph.document.file).stem
    return os.path.abspath(os.path.expanduser(given or os.path.join("models", stem)))


def folder_of(output_dir: str, instance: Instance) -> str:
    """The folder of one stage, in a loop of one iteration of it."""
    return os.path.join(output_dir, *instance.key.split("/"))


def rows_of(folder: str, split: str | None) -> str:
    """The folder of the rows of one split that a stage makes."""
    return os.path.join(folder, ROWS, split or "train")


def model_of(folder: str, node: Node) -> str:
    """The folder of the whole model that a train stage makes."""
    return os.path.join(folder, MERGED if makes_adapter(node) else MODEL)


def makes_adapter(node: Node) -> bool:
    """Whether what a train stage saves is an adapter, which is merged before it is handed on."""
    if node.recipe is None:
        raise AssertionError(f"{node.id} trains nothing")
    model = node.recipe.document.tree.get("model")
    return isinstance(model, dict) and any(model.get(key) is True for key in ("use_lora", "use_peft"))
