"""1 where the answer is JSON of the form asked for, else 0."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import jsonschema
import referencing
from referencing.exceptions import Unresolvable
from referencing.jsonschema import DRAFT202012

from recipe_engine.recipe.rewards import JsonReward
from recipe_engine.runtime.errors import RunError
from recipe_engine.runtime.rewards.context import RewardContext
from recipe_engine.runtime.rewards.scores import Columns, Say, Scored, Scorer
from recipe_engine.runtime.rewards.text import Completions, last_block, text_of

_INVALID = object()
_TYPES: dict[str, Callable[[Any], bool]] = {
    "string": lambda value: isinstance(value, str),
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "boolean": lambda value: isinstance(value, bool),
    "array": lambda value: isinstance(value, list),
    "object": lambda value: isinstance(value, dict),
    "null": lambda value: value is None,
    "any": lambda value: True,
}


def make(settings: JsonReward, run: RewardContext, say: Say) -> Scorer:
    """The scorer.

    Raises:
        RunError: ``json_schema`` is no JSON Schema.
    """
    fits = fitter(settings)

    def one(text: str) -> Scored:
        value = parsed(text, fenced=settings.fenced)
        return Scored(float(value is not _INVALID and fits(value)), {"parsed": float(value is not _INVALID)})

    def score(completions: Completions, columns: Columns) -> list[Scored]:
        return [one(text_of(completion)) for completion in completions]

    return score


def parsed(text: str, *, fenced: bool) -> Any:
    """The JSON value of a text, or of its last code block; a value of its own where there is none."""
    block = last_block(text, ("json", "")) if fenced else None
    try:
        return strict_json(text.strip() if block is None else block)
    except (ValueError, RecursionError):
        return _INVALID


def strict_json(text: str) -> Any:
    """JSON as the standard has it: no NaN and no key twice, which Python's reader lets pass.

    Raises:
        ValueError: it is not.
    """

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(dict(pairs)) != len(pairs):
            raise ValueError("a key stands twice")
        return dict(pairs)

    def refuse(word: str) -> Any:
        raise ValueError(f"{word} is no JSON")

    return json.loads(text, object_pairs_hook=unique, parse_constant=refuse)


def fitter(settings: JsonReward) -> Callable[[Any], bool]:
    """Whether a value has the keys and types asked for, and satisfies the schema."""
    validator = None
    if settings.json_schema is not None:
        try:
            jsonschema.Draft202012Validator.check_schema(settings.json_schema)
        except jsonschema.SchemaError as error:
            raise RunError(f"reward {settings.label}: json_schema is no JSON Schema: {error.message}") from error
        _demand_references(settings, settings.json_schema)
        # An empty registry: a reference to another document is never fetched.
        validator = jsonschema.Draft202012Validator(settings.json_schema, registry=referencing.Registry())

    def fits(value: Any) -> bool:
        if settings.required:
            if not isinstance(value, dict):
                return False
            if not all(key in value and _TYPES[kind](value[key]) for key, kind in settings.required.items()):
                return False
        return validator is None or bool(validator.is_valid(value))

    return fits


def _demand_references(settings: JsonReward, schema: dict[str, Any]) -> None:
    """Check that what a schema refers to is in it, for a completion would be the first to find out."""
    resolver = referencing.Registry().with_resource("", DRAFT202012.create_resource(schema)).resolver()
    for reference in _references(schema):
        try:
            resolver.lookup(reference)
        except Unresolvable as error:
            raise RunError(f"reward {settings.label}: json_schema refers to {reference}, which is not in it") from error


def _references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        node = list(node.values())
    for child in node if isinstance(node, list) else ():
        yield from _references(child)
