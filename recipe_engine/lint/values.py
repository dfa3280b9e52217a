"""Checking a value against the JSON Schemas of the TRL catalogue (type, enum, anyOf and items are all they use)."""

from __future__ import annotations

from typing import Any

TYPE_NAMES = {
    "null": "null",
    "boolean": "true or false",
    "integer": "an integer",
    "number": "a number",
    "string": "text",
    "array": "a list",
    "object": "a mapping",
}


def matches(value: Any, schema: dict[str, Any]) -> bool:
    """Whether ``value`` is valid under ``schema``. An integer is a valid number; a boolean is neither."""
    if "anyOf" in schema:
        return any(matches(value, member) for member in schema["anyOf"])
    if "enum" in schema:
        return any(type(value) is type(choice) and value == choice for choice in schema["enum"])
    types = schema.get("type", [])
    if not any(_is_type(value, name) for name in ([types] if isinstance(types, str) else types)):
        return False
    if isinstance(value, list) and "items" in schema:
        return all(matches(item, schema["items"]) for item in value)
    return True


def expected(schema: dict[str, Any]) -> str:
    """What ``schema`` asks for, in words."""
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(expected(member) for member in schema["anyOf"]))
    if "enum" in schema:
        return "one of " + ", ".join(_literal(choice) for choice in schema["enum"])
    types = schema.get("type", [])
    names = [types] if isinstance(types, str) else [name for name in types if name != "null"]
    words = " or ".join(TYPE_NAMES[name] for name in names)
    if "items" in schema:
        return f"{words}, each {expected(schema['items'])}"
    return words if isinstance(types, str) else f"{words} or null"


def choices(schema: dict[str, Any]) -> list[str]:
    """The words that ``schema`` allows, at any depth, for "did you mean"."""
    members = [*schema.get("anyOf", []), *([schema["items"]] if "items" in schema else [])]
    own = [choice for choice in schema.get("enum", []) if isinstance(choice, str)]
    return own + [choice for member in members for choice in choices(member)]


def _is_type(value: Any, name: str) -> bool:
    if name == "null":
        return value is None
    if name == "boolean":
        return isinstance(value, bool)
    if name == "integer":
        return isinstance(value, int) and not isinstance(value, bool)
    if name == "number":
        return isinstance(value, int | float) and not isinstance(value, bool)
    return isinstance(value, {"string": str, "array": list, "object": dict}[name])


def _literal(value: Any) -> str:
    return {True: "true", False: "false", None: "null"}.get(value, str(value)) if not isinstance(value, str) else value
