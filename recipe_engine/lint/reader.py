"""From the tree of a YAML file to a ``Recipe``: every key known, every value of its type."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from recipe_engine.algorithms import NAMES, algorithm
from recipe_engine.diagnostics import Fix, Related
from recipe_engine.lint.dialects import verl_groups
from recipe_engine.lint.dialects.spelling import EACH, Removed, Rename
from recipe_engine.lint.pydantic_errors import report_choice, report_unknown_key, report_validation_error
from recipe_engine.lint.renames import REMOVED, RENAMES, VISION, VISION_PREFIXES
from recipe_engine.lint.report import Report, dotted, rename_key, replace_value, shown
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
    verl_groups.read(report)
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
    return () if value is None else tuple(read_list(report, ("rewards",), value, "type", REWARDS))


def read_list(report: Report, path: Path, value: Any, key: str, classes: Mapping[str, type[Model]]) -> list[Model]:
    """The valid entries of a list whose classes hang on the value of ``key``: rewards by their ``type``."""
    if not isinstance(value, list):
        report.add("R203", "error", path, f"{dotted(path)} is {shown(value)}; it must be a list")
        return []
    return [one for i, entry in enumerate(value) if (one := read_chosen(report, (*path, i), entry, key, classes))]


def read_chosen(report: Report, path: Path, entry: Any, key: str, classes: Mapping[str, type[Model]]) -> Model | None:
    """``entry`` as the class that the value of ``key`` in it says; none, with findings, where it is not valid."""
    model = class_of(report, path, entry, key, classes)
    return None if model is None else validate(report, path, model, entry)


def class_of(
    report: Report, path: Path, entry: Any, key: str, classes: Mapping[str, type[Model]]
) -> type[Model] | None:
    """The class that the value of ``key`` in a mapping says; none, with a finding, where it says none."""
    if not isinstance(entry, dict) or key not in entry:
        report.add("R202", "error", path, f"{dotted(path)} must be a mapping with a `{key}`: {', '.join(classes)}")
        return None
    model = classes.get(entry[key]) if isinstance(entry[key], str) else None
    if model is None:
        report_choice(report, (*path, key), entry[key], list(classes))
    return model


def _apply_renames(report: Report) -> None:
    """Move values from old keys to new ones, in the tree and in the table of places."""
    document = report.document
    for rename in RENAMES:
        for old in _places(document, rename.old):
            new = (*old[:-1], rename.new[-1]) if EACH in rename.old else rename.new
            _apply_rename(report, old, new, rename)


def _apply_rename(report: Report, old: Path, new: Path, rename: Rename) -> None:
    document = report.document
    parent = _mapping_at(document, old[:-1])
    if old[:-1] != new[:-1]:
        document.tree.setdefault(str(new[0]), {})
    target = _mapping_at(document, new[:-1])
    if parent is None or target is None:
        return  # the wrong type of the other block is reported by itself
    before, after = str(old[-1]), str(new[-1])
    value = rename.value(parent[before])
    if old == new and value is parent[before]:
        return
    if old != new and after in target and target[after] != value:
        report.add(
            "R207",
            "error",
            old,
            f"`{dotted(old)}` and `{dotted(new)}` are one setting with two values",
            at_key=True,
            hint=f"keep {dotted(new)}",
            related=(Related(document.key_span(new), f"`{dotted(new)}` stands here"),),
        )
        del parent[before]
        return
    named = f"is `{dotted(new)}: {value}`" if rename.values else f"is called `{dotted(new)}`"
    note = f"`{dotted(old)}` ({rename.origin}) {named} here"
    report.add("R206", "note", old, note, at_key=True, fix=_fix(document, old, new, value))
    del parent[before]
    target[after] = value
    if old != new:
        _move_marks(document, old, new)


def _fix(document: Document, old: Path, new: Path, value: object) -> Fix | None:
    """The edit that writes the new key, and the new value where it differs; none between blocks."""
    parent = _mapping_at(document, old[:-1]) or {}
    if old[:-1] != new[:-1]:
        return None
    key = value_edit = None
    if old != new:
        if new[-1] in parent:
            return None  # with both keys there, and one value, renaming would write the key twice
        key = rename_key(document, old, str(new[-1]))
    if value is not parent[str(old[-1])]:
        value_edit = replace_value(document, old, str(value))
    fixes = [fix for fix in (key, value_edit) if fix is not None]
    if not fixes:
        return None
    edits = tuple(edit for fix in fixes for edit in fix.edits)
    return Fix(f"write {new[-1]}{f': {value}' if value_edit else ''}", edits)


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
        if _understood(document, removed.key):
            continue
        for key in _places(document, removed.key):
            message = f"`{dotted(key)}` is not a setting of this engine"
            report.add("R207", "error", key, message, at_key=True, hint=removed.instead)
            parent = _mapping_at(document, key[:-1])
            if parent is not None:
                del parent[str(key[-1])]


def _understood(document: Document, key: Path) -> bool:
    """Whether a key is a setting of the chosen algorithm, by this name or by one that another program gives it."""
    name = (_mapping_at(document, ("training",)) or {}).get("algorithm")
    settings = algorithm(name).settings.model_fields if isinstance(name, str) and name in NAMES else {}
    own = key[0] == "training" and key[-1] in settings
    return own or any(rename.old == key and rename.new[-1] in settings for rename in RENAMES)


def _places(document: Document, pattern: tuple[str, ...]) -> list[Path]:
    """Where the document has a key: once, or once an item of the lists that the pattern goes into."""
    *parents, key = pattern
    places: list[Path] = [()]
    for part in parents:
        if part == EACH:
            places = [(*place, index) for place in places for index in range(len(_list_at(document, place)))]
        else:
            places = [(*place, part) for place in places]
    return [(*place, key) for place in places if key in (_mapping_at(document, place) or {})]


def _list_at(document: Document, path: Path) -> list[Any]:
    parent = _mapping_at(document, path[:-1]) or {}
    found = parent.get(str(path[-1]))
    return found if isinstance(found, list) else []


def _mapping_at(document: Document, path: Path) -> dict[str, Any] | None:
    found: Any = document.tree
    for part in path:
        if isinstance(part, int):
            found = found[part] if isinstance(found, list) else None
        else:
            found = found.get(part) if isinstance(found, dict) else None
    return found if isinstance(found, dict) else None
