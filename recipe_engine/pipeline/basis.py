"""What a stage is made of: its settings, and what it reads."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

from recipe_engine.data.location import is_missing, locate
from recipe_engine.launch.inputs import local_inputs
from recipe_engine.launch.resume import Change
from recipe_engine.lint.reader import read_recipe
from recipe_engine.lint.report import Report
from recipe_engine.pipeline.instances import Instance, Made, earlier_rows, slice_of, source_of
from recipe_engine.pipeline.manifest import Basis, Manifest, Stamp, files_below, flat, stamped
from recipe_engine.pipeline.references import wanted_at
from recipe_engine.pipeline.resolve import Work, compile_train
from recipe_engine.pipeline.training import GIVEN_BY_PIPELINE, with_tree
from recipe_engine.recipe.rewards import FunctionReward
from recipe_engine.source import Path as Place

_OF_ENGINES = (
    *("concurrency", "timeout_seconds", "attempts", "requests_per_minute", "max_dollars"),
    *("dollars_per_million_input", "dollars_per_million_output", "gpu_memory_utilization"),
)
"""Settings of engines that say how fast rows are made, and what they may cost."""
_OF_SERVICES = ("timeout", "retries", "concurrency")
"""The same of rewards that ask services."""
_HOW_NOT_WHAT = frozenset({"id", "after", "gpus", "keep_models", "seed", "not_ready", "inconclusive"})
"""Settings that say how a stage is run, not what it makes. The seed is put in as it turns out."""


def basis_of(
    work: Work, instance: Instance, manifests: Mapping[str, Manifest], known: Mapping[str, Stamp]
) -> tuple[Basis, dict[str, Stamp]]:
    """What an instance is made of, and the files that it reads from outside of the pipeline.

    Every stage that it reads from has a manifest. Files that have not been touched since ``known`` are not read.
    """
    inputs: dict[str, str] = {}
    files: dict[str, Stamp] = {}
    for one, _ in instance.node.references:
        source = source_of(work.graph, one, instance, work.iterations)
        if isinstance(source, Made):
            inputs[_label(source, one.wants)] = _made(manifests, source, one.wants)
        else:
            _add_external(inputs, files, source.name, known)
    for made in earlier_rows(work.graph, instance, work.iterations):
        inputs[_label(made, "rows")] = _made(manifests, made, "rows")
    for name in external_names(work, instance):
        _add_external(inputs, files, name, known)
    return Basis(settings=settings_of(work, instance), inputs=inputs), files


def settings_of(work: Work, instance: Instance) -> dict[str, Any]:
    """The settings of an instance by their dotted names, with ``$names`` as they were written."""
    node = instance.node
    found: dict[str, Any] = {"kind": node.stage.kind, "seed": work.seed_of(instance)}
    if instance.iteration is not None:
        found["iteration"] = instance.iteration
    sliced = slice_of(work.graph, instance)
    if sliced is not None:
        found["slice"] = list(sliced[1])
    if node.recipe is not None:
        return found | dict(_recipe_settings(node.recipe.document, node.recipe.document.tree))
    own: dict[str, Any] = node.stage.model_dump(mode="json", exclude=set(_HOW_NOT_WHAT), exclude_defaults=True)
    for name in _OF_ENGINES:
        own.get("engine", {}).pop(name, None)
    for reward in own.get("rewards", []):
        for name in _OF_SERVICES if reward["type"] in {"judge", "http"} else ():
            reward.pop(name, None)
    thinking = work.graph.pipeline.thinking
    if thinking is not None and node.stage.kind != "gate":
        own["thinking"] = thinking.model_dump(mode="json", exclude_defaults=True)
    return found | dict(flat(own))


def _recipe_settings(document: Any, tree: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """The settings of a recipe by today's names, but for those by which a run is only watched and kept."""
    normal = with_tree(document, deepcopy(tree))
    read_recipe(Report(normal))
    for name, value in flat(normal.tree):
        block, _, key = name.partition(".")
        given = block == "training" and key.partition(".")[0] in {*GIVEN_BY_PIPELINE, "seed"}
        if not given and block != "launch" and Change(name, None, None).verdict != "harmless":
            yield name, value


def _label(source: Made, wants: str) -> str:
    key = source.instance.key
    return f"{key}, the {wants}" if wants != "rows" else f"{key}, its rows {source.split or 'train'}"


def _made(manifests: Mapping[str, Manifest], source: Made, wants: str) -> str:
    manifest = manifests[source.instance.key]
    what = {"model": "model", "evaluation": "summary"}.get(wants, f"rows/{source.split or 'train'}")
    return manifest.made.get(what, "nothing")


def _add_external(inputs: dict[str, str], files: dict[str, Stamp], name: str, known: Mapping[str, Stamp]) -> None:
    location = locate(name)
    if location.kind != "local":
        inputs[name] = location.kind
        return
    whole = hashlib.sha256()
    for file in files_below(Path(location.value)):
        files[str(file)] = stamp = stamped(file, known)
        whole.update(json.dumps([str(file.relative_to(location.value)), stamp.digest]).encode())
    inputs[location.value] = whole.hexdigest()


def external_names(work: Work, instance: Instance) -> Iterator[str]:
    """Rows, models and files that a stage names itself."""
    node = instance.node
    folder = os.path.dirname(os.path.abspath(work.graph.document.file))
    if node.recipe is not None:
        inside = os.path.join(work.output_dir, "")
        for path in local_inputs(compile_train(work, instance).run):
            if not str(path).startswith(inside):
                yield str(path)
        yield from _named(node.recipe.document.tree)
        return
    yield from _named({key: value for key, value in node.tree.items() if key != "stages"})
    sliced = slice_of(work.graph, instance)
    if sliced is not None:
        rows = sliced[0].loop.as_loop.slices[sliced[0].name].rows
        if not rows.startswith("$"):
            yield rows
    for reward in getattr(node.stage, "rewards", []):
        if isinstance(reward, FunctionReward):
            yield os.path.join(folder, reward.path)
    template = getattr(node.stage, "chat_template", None)
    if template is not None and template != "chatml":
        yield os.path.join(folder, os.path.expanduser(template))
    for task in getattr(node.stage, "tasks", []):
        if task.endswith((".yaml", ".yml")):
            yield os.path.join(folder, task)


def missing_inputs(work: Work, instance: Instance) -> list[str]:
    """The paths of what a stage names itself on this machine and that is not there."""
    return list(dict.fromkeys(locate(name).value for name in external_names(work, instance) if is_missing(name)))


def _named(tree: Any, path: Place = ()) -> Iterator[str]:
    entries = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, value in entries:
        here = (*path, key)
        if isinstance(value, str):
            if wanted_at(here) is not None and not value.startswith("$"):
                yield value
        else:
            yield from _named(value, here)
