"""pydantic's errors, said in the recipe's words."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from recipe_engine.algorithms import NAMES, algorithm
from recipe_engine.diagnostics import Fix
from recipe_engine.diagnostics.spelling import nearest
from recipe_engine.lint.report import Report, dotted, is_slip, rename_key, replace_value, shown
from recipe_engine.recipe.data import DatasetEntry
from recipe_engine.recipe.patterns import IN_WORDS
from recipe_engine.recipe.root import BLOCKS
from recipe_engine.schemas import trl_arguments
from recipe_engine.source import Path

YAML_WORDS = {"True": "true", "False": "false", "None": "null"}
ABBREVIATIONS = {"bf16": "bfloat16", "fp16": "float16", "half": "float16", "fp32": "float32", "float": "float32"}
MOST_WORDS = 20
"""Choices that a message lists even where one of them is most likely meant."""
WANTED = {
    "bool_type": "true or false",
    "int_type": "an integer",
    "float_type": "a number",
    "string_type": "text",
    "list_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "none_required": "null",
}


def report_validation_error(report: Report, block: Path, model: type[BaseModel], error: ValidationError) -> None:
    """Turn every part of ``error``, raised for the mapping at path ``block``, into a finding."""
    by_path: dict[Path, list[ErrorDetails]] = {}  # a union reports once for each member
    for details in error.errors(include_url=False, include_context=True):
        by_path.setdefault(_path_of(report, block, details), []).append(details)
    for path, alternatives in by_path.items():
        # Where one member of a union fits but for a part of the value, only that part is wrong.
        if not any(other[: len(path)] == path and other != path for other in by_path):
            _report(report, path, block, model, alternatives)


def _path_of(report: Report, block: Path, details: ErrorDetails) -> Path:
    """The path of an error, without the names that pydantic adds for members of a union."""
    path: Path = block
    tree: Any = report.document.tree
    for part in block:
        tree = tree[part]
    for part in details["loc"]:
        inside_dict = isinstance(tree, dict) and (part in tree or details["type"] == "missing")
        inside_list = isinstance(tree, list) and isinstance(part, int) and part < len(tree)
        if inside_dict or inside_list:
            path = (*path, part)
            tree = tree[part] if inside_list or part in tree else None
    return path


def _report(
    report: Report,
    path: Path,
    block: Path,
    model: type[BaseModel],
    alternatives: list[ErrorDetails],
) -> None:
    details = alternatives[0]
    kind, value = details["type"], details.get("input")
    if kind == "extra_forbidden":
        report_unknown_key(report, path, _model_at(model, path[len(block) : -1]).model_fields)
    elif kind == "missing":
        report.add("R202", "error", path[:-1], f"{dotted(path[:-1])} lacks the key `{path[-1]}`", at_key=True)
    elif any(a["type"] == "literal_error" for a in alternatives):
        expected = next(a["ctx"]["expected"] for a in alternatives if a["type"] == "literal_error")
        words = expected.replace("'", "").replace(" or ", ", ").split(", ")
        report_choice(report, path, value, [YAML_WORDS.get(word, word) for word in words])
    elif all(a["type"] in WANTED for a in alternatives):
        wanted = " or ".join(dict.fromkeys(WANTED[a["type"]] for a in alternatives))
        report_wrong_type(report, path, value, wanted, required=_is_required(model, path[len(block) :]))
    elif kind in {"string_too_short", "too_short"} and not value:
        report.add("R205", "error", path, f"{dotted(path)} is empty")
    elif kind == "string_pattern_mismatch":
        wanted = IN_WORDS[details["ctx"]["pattern"]]
        report.add("R205", "error", path, f"{dotted(path)} is {shown(value)}; it must be {wanted}")
    else:
        message = details["msg"].replace("Input should", "it should").replace("String should", "it should")
        report.add("R205", "error", path, f"{dotted(path)} is {shown(value)}: {message}")


def report_unknown_key(
    report: Report, path: Path, known: Iterable[str], otherwise: str | None = None, *, elsewhere: bool = True
) -> None:
    """R201, with the block where the key belongs, else the nearest of the ``known`` keys, else the hint ``otherwise``.

    Default of that: all known keys. ``elsewhere`` is false where the document is no recipe, whose blocks have no say.
    """
    key = str(path[-1])
    home, guess = _home(path) if elsewhere else None, nearest(key, known)
    where = f"in {dotted(path[:-1])}" if len(path) > 1 else "at the top level"
    if home is not None:
        hint, guess = f"it belongs in {home}", None
    elif guess is not None:
        hint = f"did you mean `{guess}`?"
    else:
        hint = otherwise or f"known keys: {', '.join(sorted(known))}"
    fix = rename_key(report.document, path, guess) if guess and is_slip(key, guess) else None
    report.add("R201", "error", path, f"unknown key `{key}` {where}", at_key=True, hint=hint, fix=fix)


def _home(path: Path) -> str | None:
    """Where else in a recipe there is a key of this name."""
    if len(path) > 2:
        return None
    here, key = path[0] if len(path) == 2 else None, path[-1]
    if here == "data" and key in DatasetEntry.model_fields:
        return "an entry of data.datasets"
    # The keys of wandb and s3 are words like `name` and `region`, which say little of what was meant.
    blocks = [name for name, model in BLOCKS.items() if key in model.model_fields and name not in {"wandb", "s3"}]
    if not blocks and here != "training" and any(key in trl_arguments(algorithm(name).config) for name in NAMES):
        blocks = ["training"]
    return f"the {blocks[0]} block" if len(blocks) == 1 else None


def report_choice(report: Report, path: Path, value: Any, words: list[str]) -> None:
    """R204, with the nearest of the allowed ``words``."""
    guess = ABBREVIATIONS.get(value, nearest(value, words)) if isinstance(value, str) else None
    guess = guess if guess in words else None
    several = f"one of {', '.join(words)}"
    if guess is not None and len(words) > MOST_WORDS:
        several = f"one of {len(words)} words"
    report.add(
        "R204",
        "error",
        path,
        f"{dotted(path)} is {shown(value)}; it must be {several}",
        hint=f"did you mean `{guess}`?" if guess else None,
        fix=replace_value(report.document, path, guess) if guess else None,
    )


def report_wrong_type(report: Report, path: Path, value: Any, wanted: str, *, required: bool = False) -> None:
    """R203, with the edit where the value only needs its quotes removed or added."""
    hint: str | None = None
    fix: Fix | None = None
    if isinstance(value, str) and "text" not in wanted:
        plain = unquoted(value, wanted)
        if plain is not None:
            hint, fix = f"write {plain}, without quotes", replace_value(report.document, path, plain)
        elif "true or false" in wanted and value.lower() in {"yes", "no", "on", "off"}:
            plain = "true" if value.lower() in {"yes", "on"} else "false"
            hint, fix = f"in YAML 1.2 `{value}` is text: write {plain}", replace_value(report.document, path, plain)
    elif wanted == "text" and isinstance(value, int | float) and not isinstance(value, bool):
        hint, fix = "put it in quotes", replace_value(report.document, path, f'"{value}"')
    elif isinstance(value, float) and value.is_integer() and "integer" in wanted:
        hint, fix = f"write {value:.0f}", replace_value(report.document, path, f"{value:.0f}")
    elif value is None and not required:
        hint = "leave the key out to use its default"
    report.add("R203", "error", path, f"{dotted(path)} is {shown(value)}; it must be {wanted}", hint=hint, fix=fix)


def unquoted(text: str, wanted: str) -> str | None:
    """``text`` as a plain YAML scalar of the wanted kind, where it is one."""
    if "number" in wanted or "integer" in wanted:
        try:
            number = float(text)
        except ValueError:
            return None
        return text.strip() if "number" in wanted or number.is_integer() else None
    if "true or false" in wanted and text.lower() in {"true", "false"}:
        return text.lower()
    return None


def _is_required(model: type[BaseModel], path: Path) -> bool:
    key = path[-1]  # the items of a list, and of a mapping by names, have no default either
    field = None if isinstance(key, int) else _model_at(model, path[:-1]).model_fields.get(key)
    return field is None or field.is_required()


def _model_at(model: type[BaseModel], path: Path) -> type[BaseModel]:
    """The model that validates the mapping at ``path`` inside ``model``."""
    by_names = False  # whether the next part is one of the names that the recipe gives
    for part in path:
        if isinstance(part, int) or by_names:
            by_names = False
            continue
        annotation: Any = model.model_fields[part].annotation
        by_names = get_origin(annotation) is dict
        members = [annotation, *getattr(annotation, "__args__", ())]
        model = next(m for m in members if isinstance(m, type) and issubclass(m, BaseModel))
    return model
