"""From the tree of a YAML file to a ``Pipeline``: every key known, every value of its type."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from recipe_engine.lint.pydantic_errors import report_unknown_key, report_validation_error
from recipe_engine.lint.reader import class_of, validate
from recipe_engine.lint.report import Report, dotted, shown
from recipe_engine.recipe.base import Block
from recipe_engine.recipe.pipeline import Pipeline
from recipe_engine.recipe.rewards import REWARDS
from recipe_engine.recipe.stages import STAGES, Stage
from recipe_engine.recipe.stages.generate import ENGINES
from recipe_engine.recipe.stages.steps import STEPS
from recipe_engine.recipe.thinking import ThinkingBlock
from recipe_engine.source import Path

_CHOSEN: dict[str, tuple[str, Mapping[str, type[Block]], str | None]] = {
    "rewards": ("type", REWARDS, None),
    "steps": ("do", STEPS, None),
    "stages": ("kind", STAGES, None),
    "engine": ("type", ENGINES, "hf"),
}
"""Keys of stages whose values are of the class that a key in them says, and what it says where it is left out."""


def read_pipeline(report: Report) -> Pipeline | None:
    """Check the shape of the document and build the pipeline; none where that found errors."""
    tree = report.document.tree
    before = len(report.diagnostics)
    for name in tree:
        if name not in Pipeline.model_fields:
            report_unknown_key(report, (name,), [*Pipeline.model_fields, "extends"], elsewhere=False)
    thinking = None
    if tree.get("thinking") is not None:
        thinking = validate(report, ("thinking",), ThinkingBlock, tree["thinking"])
    stages = _read_list(report, ("stages",), tree["stages"], "kind", STAGES, None)
    if any(found.severity == "error" for found in report.diagnostics[before:]):
        stages = stages or [Stage.model_construct(id="none", kind="none")]
    own = {key: value for key, value in tree.items() if key in Pipeline.model_fields}
    read = _validated(report, (), Pipeline, {**own, "stages": stages, "thinking": thinking})
    sound = all(found.severity != "error" for found in report.diagnostics[before:])
    return read if sound else None


def build_stage(tree: dict[str, Any]) -> Stage:
    """A stage of a checked tree.

    Raises:
        ValidationError: a value that was put into it is not valid there.
    """
    return STAGES[tree["kind"]].model_validate({key: _built(key, value) for key, value in tree.items()})


def _built(key: str, value: Any) -> Any:
    if key not in _CHOSEN or key == "stages":
        return value
    name, classes, default = _CHOSEN[key]
    if isinstance(value, list):
        return [classes[entry[name]].model_validate(entry) for entry in value]
    return classes[value.get(name, default)].model_validate(value)


def _read_list(
    report: Report, path: Path, value: Any, key: str, classes: Mapping[str, type[Block]], default: str | None
) -> list[Any]:
    if not isinstance(value, list):
        report.add("R203", "error", path, f"{dotted(path)} is {shown(value)}; it must be a list")
        return []
    read = (_read_one(report, (*path, index), entry, key, classes, default) for index, entry in enumerate(value))
    return [one for one in read if one is not None]


def _read_one(
    report: Report, path: Path, entry: Any, key: str, classes: Mapping[str, type[Block]], default: str | None
) -> Block | None:
    if isinstance(entry, dict) and default is not None:
        entry = {key: default, **entry}
    model = class_of(report, path, entry, key, classes)
    return None if model is None else _validated(report, path, model, _with_read_parts(report, path, model, entry))


def _with_read_parts(report: Report, path: Path, model: type[Block], entry: dict[str, Any]) -> dict[str, Any]:
    """``entry`` with the parts read that are of several classes. One of which nothing is valid hides no other."""
    read = dict(entry)
    for name, (key, classes, default) in _CHOSEN.items():
        if name not in entry or name not in model.model_fields or not isinstance(entry[name], dict | list):
            continue  # where it is of another kind, the class says so
        if name == "engine":
            read[name] = _read_one(report, (*path, name), entry[name], key, classes, default) or _nothing(classes)
        else:
            found = _read_list(report, (*path, name), entry[name], key, classes, default)
            read[name] = found or ([_nothing(classes)] if entry[name] else [])
    return read


def _nothing(classes: Mapping[str, type[Block]]) -> Block:
    """What stands in for a part that is not valid, which its own findings say."""
    return next(iter(classes.values())).model_construct()


def _validated(report: Report, path: Path, model: type[Any], value: Any) -> Any:
    try:
        return model.model_validate(value)
    except ValidationError as error:
        report_validation_error(report, path, model, error)
        return None


def is_pipeline(tree: Mapping[str, Any]) -> bool:
    """Whether a file is a pipeline and no recipe."""
    return "stages" in tree
