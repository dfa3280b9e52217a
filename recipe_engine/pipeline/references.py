"""Texts that refer: ``$name``, and for rows ``$name.split``, where a stage or a recipe asks for rows or for a model."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

from recipe_engine.source import Path

Wants = Literal["rows", "model", "evaluation"]

OF_SERVICES = frozenset({"judge", "http"})
"""Types of rewards whose ``model`` is a service's name."""
_REFERENCE = re.compile(r"\$(?P<name>[a-z][a-z0-9_]{0,63})(?:\.(?P<split>[A-Za-z0-9_-]+))?")
_ROWS_KEYS = frozenset({"rows", "nll_rows", "eval_rows"})
_DATASETS = frozenset({"datasets", "eval_datasets"})
_MODEL_KEYS = frozenset({"model", "base", "start", "tokenizer", "base_model_name", "tokenizer_name", "critic_init"})


@dataclass(frozen=True, slots=True)
class Reference:
    """A text at a place where rows or a model are asked for, and what it refers to."""

    path: Path
    text: str
    wants: Wants
    name: str
    """Empty where the text begins with ``$`` and is no reference."""
    split: str | None


def references(tree: Any, path: Path = ()) -> Iterator[Reference]:
    """Every text in ``tree``, which stands at ``path``, that begins with ``$`` where rows or a model are asked for."""
    entries = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, value in entries:
        here = (*path, key)
        wants = wanted_at(here)
        if isinstance(value, str):
            if wants is not None and value.startswith("$"):
                yield reference(here, value, wants)
        else:
            yield from references(value, here)


def bare_names(tree: Any, path: Path = ()) -> Iterator[Reference]:
    """Every text in ``tree`` where rows or a model are asked for that would be a reference after a ``$``. Models of
    services are named as these name them."""
    entries = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    of_service = isinstance(tree, dict) and (
        tree.get("type") in OF_SERVICES
        or (isinstance(engine := tree.get("engine"), dict) and engine.get("type") == "http")
    )
    for key, value in entries:
        here = (*path, key)
        if not isinstance(value, str):
            yield from bare_names(value, here)
        elif (wants := wanted_at(here)) is not None and not (of_service and key in {"model", "base"}):
            one = reference(here, f"${value}", wants)
            if one.name or (wants == "evaluation" and not value.startswith("$")):
                yield Reference(here, value, wants, one.name, one.split)


def reference(path: Path, text: str, wants: Wants) -> Reference:
    """What a text that begins with ``$`` refers to."""
    found = _REFERENCE.fullmatch(text)
    return (
        Reference(path, text, wants, found["name"], found["split"]) if found else Reference(path, text, wants, "", None)
    )


def wanted_at(path: Path) -> Wants | None:
    """What a text at a place in a stage or a recipe names."""
    key = path[-1]
    if isinstance(key, int):
        return "rows" if len(path) > 1 and path[-2] == "against" else None
    if key == "evaluation":
        return "evaluation"
    if key in _ROWS_KEYS or (key == "name" and len(path) > 2 and path[-3] in _DATASETS):
        return "rows"
    return "model" if key in _MODEL_KEYS or key.endswith("_model") else None


def substituted(tree: Any, value_of: Callable[[Reference], str], path: Path = ()) -> Any:
    """A copy of ``tree`` in which every reference is what ``value_of`` says of it.

    An entry of a list of datasets whose rows another stage made reads the one split that it names.
    """
    if isinstance(tree, list):
        return [substituted(value, value_of, (*path, index)) for index, value in enumerate(tree)]
    if isinstance(tree, dict):
        copy = {key: substituted(value, value_of, (*path, key)) for key, value in tree.items()}
        name = tree.get("name")
        if isinstance(name, str) and name.startswith("$") and wanted_at((*path, "name")) == "rows":
            found = reference((*path, "name"), name, "rows")
            split = found.split or tree.get("split")
            copy["name"] = value_of(Reference(found.path, found.text, "rows", found.name, split))
            copy.pop("split", None)
        return copy
    wants = wanted_at(path) if path else None
    if isinstance(tree, str) and tree.startswith("$") and wants is not None:
        return value_of(reference(path, tree, wants))
    return tree
