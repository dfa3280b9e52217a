"""From the tree of a YAML file to a ``Recipe``: every key known, every value of its type."""

from __future__ import annotations

from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from recipe_engine.diagnostics import Related
from recipe_engine.lint.pydantic_errors import report_choice, report_unknown_key, report_validation_error
from recipe_engine.lint.renames import REMOVED, RENAMES, VISION, VISION_PREFIXES, Removed
from recipe_engine.lint.report import Report, dotted, rename_key, shown
from recipe_engine.lint.training import read_training
from recipe_engine.recipe.base import Block
from recipe_engine.recipe.rewards import REWARDS, Reward
from recipe_engine.recipe.root import ABSENT_BLOCKS, BLOCKS, REQUIRED_BLOCKS, Recipe
from recipe_engine.recipe.training import TrainingBlock
from recipe_engine.source import Document, Mark, Path

Model = TypeVar("Model", bound=BaseModel)


def read_recipe(report: Report) -> Recipe | None:
    """Check the shape of the document and build the recipe; none where that found errors."""
    document = report.document
    _report_removed(report)
    _apply_renames(report)
    tree = document.tree
    for name in tree:
        if name not in BLOCKS and name != "rewards":
            report_unknown_key(report, (name,), [*BLOCKS, "rewards", "extends"])
    for name in REQUIRED_BLOCKS:
        if tree.get(name) is None:
            report.add("R202", "error", (), f"the recipe lacks the block `{name}`")
    blocks = {name: _read_block(report, name) for name in BLOCKS if name != "training"}
    rewards = _read_rewards(report)
    training = _read_training(report)
    if report.has_errors or training is None or any(blocks[name] is None for name in blocks.keys() - {*ABSENT_BLOCKS}):
        return None
    shared, settings, arguments = training
    return Recipe(training=shared, settings=settings, arguments=arguments, rewards=rewards, **blocks)  # type: ignore[arg-type]


def _read_training(report: Report) -> tuple[TrainingBlock, Block, dict[str, Any]] | None:
    value = report.document.tree.get("training")
    if isinstance(value, dict):
        return read_training(report)
    if value is not None:
        report.add("R203", "error", ("training",), f"training is {shown(value)}; it must be a mapping")
    return None


def _read_block(report: Report, name: str) -> Block | None:
    value = report.document.tree.get(name)
    if value is None:
        return None if name in REQUIRED_BLOCKS + ABSENT_BLOCKS else BLOCKS[name]()
    return validate(report, (name,), BLOCKS[name], value)


def validate(report: Report, path: Path, model: type[Model], value: Any) -> Model | None:
    """``value`` as ``model``; none, with findings, where it is not valid."""
    if not isinstance(value, dict):
        report.add("R203", "error", path, f"{dotted(path)} is {shown(value)}; it must be a mapping")
        return None
    try:
        return model.model_validate(value)
    except ValidationError as error:
        report_validation_error(report, path, model, error)
        return None


def _read_rewards(report: Report) -> tuple[Reward, ...]:
    value = report.document.tree.get("rewards")
    if value is None:
        return ()
    if not isinstance(value, list):
        report.add("R203", "error", ("rewards",), f"rewards is {shown(value)}; it must be a list")
        return ()
    return tuple(reward for i, entry in enumerate(value) if (reward := _read_reward(report, ("rewards", i), entry)))


def _read_reward(report: Report, path: Path, entry: Any) -> Reward | None:
    if not isinstance(entry, dict) or "type" not in entry:
        report.add("R202", "error", path, f"{dotted(path)} must be a mapping with a `type`: {', '.join(REWARDS)}")
        return None
    model = REWARDS.get(entry["type"]) if isinstance(entry["type"], str) else None
    if model is None:
        report_choice(report, (*path, "type"), entry["type"], list(REWARDS))
        return None
    return validate(report, path, model, entry)


def _apply_renames(report: Report) -> None:
    """Move values from old keys to new ones, in the tree and in the table of places."""
    document = report.document
    for rename in RENAMES:
        if (parent := _mapping_at(document, rename.old[:-1])) is None or rename.old[-1] not in parent:
            continue
        target = document.tree.setdefault(rename.new[0], {})
        old, new = dotted(rename.old), dotted(rename.new)
        if not isinstance(target, dict):
            continue  # the wrong type of the other block is reported by itself
        if rename.new[-1] in target and target[rename.new[-1]] != parent[rename.old[-1]]:
            report.add(
                "R207",
                "error",
                rename.old,
                f"`{old}` and `{new}` are one setting with two values",
                at_key=True,
                hint=f"keep {new}",
                related=(Related(document.key_span(rename.new), f"`{new}` stands here"),),
            )
            del parent[rename.old[-1]]
            continue
        # With both keys there, and one value, renaming would write the key twice.
        renamable = rename.old[:-1] == rename.new[:-1] and rename.new[-1] not in target
        report.add(
            "R206",
            "note",
            rename.old,
            f"`{old}` ({rename.origin}) is called `{new}` here",
            at_key=True,
            fix=rename_key(document, rename.old, rename.new[-1]) if renamable else None,
        )
        target[rename.new[-1]] = parent.pop(rename.old[-1])
        _move_marks(document, rename.old, rename.new)


def _move_marks(document: Document, old: Path, new: Path) -> None:
    moved: dict[Path, Mark] = {}
    for path in [path for path in document.marks if path[: len(old)] == old]:
        moved[(*new, *path[len(old) :])] = document.marks.pop(path)
    document.marks.update(moved)
    if old in document.unreadable:
        document.unreadable |= {new}


def _report_removed(report: Report) -> None:
    document = report.document
    vision = [
        Removed((block, key), VISION)
        for block in ("model", "data")
        for key in _mapping_at(document, (block,)) or ()
        if key.startswith(VISION_PREFIXES)
    ]
    for removed in (*REMOVED, *vision):
        parent = _mapping_at(document, removed.key[:-1])
        if parent is not None and removed.key[-1] in parent:
            message = f"`{dotted(removed.key)}` is not a setting of this engine"
            report.add("R207", "error", removed.key, message, at_key=True, hint=removed.instead)
            del parent[removed.key[-1]]


def _mapping_at(document: Document, path: Path) -> dict[str, Any] | None:
    found: Any = document.tree
    for part in path:
        found = found.get(part) if isinstance(found, dict) else None
    return found if isinstance(found, dict) else None
