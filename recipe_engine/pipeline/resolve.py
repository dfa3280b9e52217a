"""From a stage of the file to what its process is given: no ``$name`` is left, every path is absolute."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Any

from recipe_engine import __version__
from recipe_engine.compile import Compilation, Options, compile_recipe
from recipe_engine.compiled_stage import CompiledStage
from recipe_engine.data.location import locate
from recipe_engine.lint.reader import read_recipe
from recipe_engine.lint.report import Report
from recipe_engine.pipeline.folders import MODEL, folder_of, model_of, output_dir_of, rows_of
from recipe_engine.pipeline.graph import Graph, Node
from recipe_engine.pipeline.instances import (
    Instance,
    Made,
    Source,
    earlier_rows,
    iterations_of,
    slice_of,
    source_of,
)
from recipe_engine.pipeline.reader import build_stage
from recipe_engine.pipeline.references import OF_SERVICES, Reference, substituted, wanted_at
from recipe_engine.pipeline.training import with_tree
from recipe_engine.recipe.stages.base import Stage
from recipe_engine.recipe.stages.generate import HttpEngine
from recipe_engine.source import Path


@dataclass(frozen=True)
class Work:
    """A pipeline that is planned or run: its graph, its folder, and what the command line says."""

    graph: Graph
    output_dir: str
    gpus: int = 0
    allow_reward_code: bool = False
    allow_remote_code: bool = False
    iterations: dict[str, int] = field(default_factory=dict)
    output_option: str = "output_dir"
    """Where the folder is named: ``--out`` of a verb for one stage."""

    def folder(self, instance: Instance) -> str:
        """The folder of one stage."""
        return folder_of(self.output_dir, instance)

    def place_of(self, source: Source, wants: str) -> str:
        """The name or the folder under which a source is read."""
        if not isinstance(source, Made):
            return absolute(source.name)
        folder = self.folder(source.instance)
        if wants == "evaluation":
            return folder
        return model_of(folder, source.instance.node) if wants == "model" else rows_of(folder, source.split)

    def seed_of(self, instance: Instance) -> int:
        """The stage's seed or the pipeline's; another one in each iteration."""
        given = instance.node.stage.seed
        return (self.graph.pipeline.seed if given is None else given) + (instance.iteration or 0)

    def gpus_of(self, node: Node) -> int:
        """GPUs that a stage is given: as it says, else all where it loads a model."""
        if node.stage.gpus is not None:
            return min(node.stage.gpus, self.gpus)
        return self.gpus if loads_model(node.stage) else 0


def work_of(graph: Graph, gpus: int = 0, *, allow_reward_code: bool = False, allow_remote_code: bool = False) -> Work:
    """The work of a checked pipeline."""
    output_dir = output_dir_of(graph)
    return Work(graph, output_dir, gpus, allow_reward_code, allow_remote_code, iterations_of(graph))


def loads_model(stage: Stage) -> bool:
    """Whether a stage holds a model in its own process."""
    if isinstance(getattr(stage, "engine", None), HttpEngine):
        return any(reward.type in {"reward_model", "prm_score"} for reward in getattr(stage, "rewards", []))
    if stage.kind == "score":
        return any(reward.type in {"reward_model", "prm_score"} for reward in getattr(stage, "rewards", []))
    return stage.kind in {"generate", "train", "evaluate"}


def preview(graph: Graph, node: Node, output_dir: str) -> dict[str, Any]:
    """The tree of a train stage's recipe with what its names stand for in the first iteration."""
    work = Work(graph, output_dir, iterations=iterations_of(graph))
    return recipe_tree(work, Instance(node, 0 if node.loop is not None else None))


def recipe_tree(work: Work, instance: Instance) -> dict[str, Any]:
    """The tree of an instance's recipe, to be read and compiled."""
    recipe = instance.node.recipe
    if recipe is None:
        raise AssertionError(f"{instance.key} trains nothing")

    def value(one: Reference) -> str:
        return work.place_of(source_of(work.graph, one, instance, work.iterations), one.wants)

    found = substituted(recipe.document.tree, value)
    training = found.get("training")
    if isinstance(training, dict):
        training["output_dir"] = os.path.join(work.folder(instance), MODEL)
        training["run_name"] = f"{os.path.basename(work.output_dir)}-{instance.key.replace('/', '-')}"
        training["resume"] = "auto"
        if "seed" not in training:
            training["seed"] = work.seed_of(instance)
        for key in ("overwrite_output_dir", "resume_changes"):
            training.pop(key, None)
    result: dict[str, Any] = found
    return result


def compile_train(work: Work, instance: Instance) -> Compilation:
    """The run of a train stage."""
    node = instance.node
    if node.recipe is None:
        raise AssertionError(f"{instance.key} trains nothing")
    document = with_tree(node.recipe.document, recipe_tree(work, instance))
    recipe = read_recipe(Report(document))
    if recipe is None:
        raise AssertionError(f"the recipe of {instance.key} was not checked")
    options = Options(
        gpus=work.gpus_of(node), allow_reward_code=work.allow_reward_code, allow_remote_code=work.allow_remote_code
    )
    return compile_recipe(recipe, document, options)


def compile_stage(work: Work, instance: Instance) -> CompiledStage:
    """What the process of a stage that trains nothing is given."""
    node, graph = instance.node, work.graph

    def value(one: Reference) -> str:
        return work.place_of(source_of(graph, one, instance, work.iterations), one.wants)

    engine = node.tree.get("engine")
    of_service = isinstance(engine, dict) and engine.get("type") == "http"
    tree = _absolute(substituted(node.tree, value), of_service)
    sliced = slice_of(graph, instance)
    document = graph.document
    return CompiledStage(
        engine=__version__,
        pipeline_file=document.file,
        recipe_folder=os.path.dirname(os.path.abspath(document.file)),
        folder=work.folder(instance),
        iteration=instance.iteration,
        stage=build_stage(tree),
        merged_rows=[work.place_of(made, "rows") for made in earlier_rows(graph, instance, work.iterations)],
        slice=None if sliced is None else sliced[1],
        seed=work.seed_of(instance),
        gpus=work.gpus_of(node),
        thinking=graph.pipeline.thinking,
        allow_reward_code=work.allow_reward_code,
        allow_remote_code=work.allow_remote_code,
    )


def _absolute(tree: Any, of_service: bool, path: Path = ()) -> Any:
    """The tree with absolute paths where local rows and models are named."""
    if isinstance(tree, list):
        return [_absolute(value, of_service, (*path, index)) for index, value in enumerate(tree)]
    if isinstance(tree, dict):
        names = set() if path or not of_service else {"model", "base"}
        if path and tree.get("type") in OF_SERVICES:
            names = {"model"}
        return {
            key: value if key in names else _absolute(value, of_service, (*path, key)) for key, value in tree.items()
        }
    return absolute(tree) if isinstance(tree, str) and path and wanted_at(path) is not None else tree


def absolute(name: str) -> str:
    """A name of rows or of a model, as any folder sees it."""
    location = locate(name)
    return location.value if location.kind == "local" else name
