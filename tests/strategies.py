"""Recipes at random: real blocks and keys, with values that fit, values that do not, and keys that do not exist."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Any

from hypothesis import strategies as st

from recipe_engine.algorithms import NAMES

SCHEMA: dict[str, Any] = json.loads(
    files("recipe_engine.schemas").joinpath("recipe.schema.json").read_text(encoding="utf-8")
)

WORDS = st.sampled_from(
    (
        *("", "auto", "bfloat16", "sft", "gspo", "yes", "1e-5", "steps", "no", "all", "builtin/tiny-chat", "my/data"),
        *("./x.json", "../x.py", "{column}", "{", "a\nb", "\u202e", "${HOME}", "[END]", "(", "sk-", "x" * 300),
        "hf_0123456789abcdefghijklmn",
    )
)
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 10),
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=False, allow_infinity=False),
    WORDS,
    st.text(max_size=12),
)
ANYTHING = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=8) | WORDS, inner, max_size=4)
    ),
    max_leaves=10,
)


@cache
def fitting(pointer: str) -> st.SearchStrategy[Any]:
    """Values that are valid under the part of the schema at ``pointer``, such as ``definitions/data``."""
    schema: Any = SCHEMA
    for part in pointer.split("/"):
        schema = schema[int(part)] if isinstance(schema, list) else schema[part]
    return _fitting(schema, pointer)


def _fitting(schema: dict[str, Any], pointer: str) -> st.SearchStrategy[Any]:
    if "$ref" in schema:
        return fitting(schema["$ref"].removeprefix("#/"))
    if "const" in schema:
        return st.just(schema["const"])
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    for key in ("anyOf", "allOf"):
        if key in schema and "type" not in schema:
            return st.one_of([fitting(f"{pointer}/{key}/{index}") for index in range(len(schema[key]))])
    kinds = schema.get("type", [])
    return st.one_of(
        [_of_kind(kind, schema, pointer) for kind in ([kinds] if isinstance(kinds, str) else kinds)] or [SCALARS]
    )


def _of_kind(kind: str, schema: dict[str, Any], pointer: str) -> st.SearchStrategy[Any]:
    if kind == "object":
        return mappings(pointer) if schema.get("properties") else st.dictionaries(WORDS, SCALARS, max_size=2)
    if kind == "array":
        items = fitting(f"{pointer}/items") if "items" in schema else SCALARS
        return st.lists(items, min_size=schema.get("minItems", 0), max_size=3)
    return {
        "null": st.none(),
        "boolean": st.booleans(),
        "integer": st.integers(schema.get("minimum", -1), schema.get("maximum", 100)),
        "number": st.sampled_from([0.5, 1e-5, 1, 2.0, 0, 0.04]),
        "string": WORDS.filter(lambda word: len(word) >= schema.get("minLength", 0)),
    }[kind]


def mappings(pointer: str, most: int = 5) -> st.SearchStrategy[dict[str, Any]]:
    """Some of the properties of an object in the schema, those required among them."""
    schema: Any = SCHEMA
    for part in pointer.split("/"):
        schema = schema[int(part)] if isinstance(schema, list) else schema[part]
    required = schema.get("required", [])
    return st.lists(st.sampled_from(sorted(schema["properties"])), max_size=most, unique=True).flatmap(
        lambda keys: st.fixed_dictionaries({key: fitting(f"{pointer}/properties/{key}") for key in {*keys, *required}})
    )


@st.composite
def plausible(draw: st.DrawFn) -> dict[str, Any]:
    """A whole recipe whose values mostly fit."""
    name = draw(st.sampled_from(NAMES))
    recipe: dict[str, Any] = {
        "model": {"base_model_name": "builtin/tiny-chat", **draw(mappings("definitions/model", 3))},
        "data": {
            "datasets": draw(st.lists(mappings("definitions/DatasetEntry", 2), min_size=1, max_size=2)),
            **{key: value for key, value in draw(mappings("definitions/data", 3)).items() if key != "datasets"},
        },
        "training": {**draw(mappings(f"definitions/training_{name}")), "algorithm": name},
    }
    if draw(st.booleans()):
        rewards = [
            mappings(f"definitions/reward_{reward}") for reward in ("exact_match", "format", "length", "function")
        ]
        recipe["rewards"] = draw(st.lists(st.one_of(rewards), max_size=2))
    for block in ("launch", "wandb", "s3"):
        if draw(st.integers(0, 3)) == 0:
            recipe[block] = draw(fitting(f"properties/{block}"))
    return recipe


@st.composite
def broken(draw: st.DrawFn) -> Any:
    """A plausible recipe after a few changes that fit nowhere in particular."""
    recipe: Any = draw(plausible())
    for _ in range(draw(st.integers(1, 4))):
        node: Any = recipe
        while isinstance(node, dict | list) and node:
            key = draw(st.sampled_from(list(node) if isinstance(node, dict) else range(len(node))))
            if not isinstance(node[key], dict | list) or not node[key] or draw(st.booleans()):
                change = draw(st.sampled_from(["replace", "remove", "misspell"]))
                if change == "replace":
                    node[key] = draw(ANYTHING)
                elif change == "remove":
                    del node[key]
                elif isinstance(node, dict):
                    node[draw(st.sampled_from([key[1:], key + "s", key.upper(), draw(st.text(max_size=5))]))] = (
                        node.pop(key)
                    )
                break
            node = node[key]
    return recipe
