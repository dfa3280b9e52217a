"""Prompt templates: ``{column}`` is replaced by the row's value, ``{{`` and ``}}`` are braces."""

from __future__ import annotations

import string
from collections.abc import Mapping
from typing import Any

from recipe_engine.data.errors import RowError


def placeholders(template: str) -> tuple[str, ...]:
    """The columns that a template names, in order, each once.

    Raises:
        ValueError: unbalanced braces, an empty or numbered placeholder, an attribute, an index, a conversion or a
            format.
    """
    names: list[str] = []
    for _, name, specification, conversion in string.Formatter().parse(template):
        if name is None:
            continue
        if not name or name.isdigit():
            raise ValueError("`{}` names no column; literal braces are doubled: {{}}")
        if "." in name or "[" in name or specification or conversion:
            raise ValueError(f"`{{{name}}}` is more than a column's name; literal braces are doubled: {{{{ }}}}")
        names.append(name)
    return tuple(dict.fromkeys(names))


def render(template: str, row: Mapping[str, Any]) -> str:
    """The template with the row's values in it.

    Raises:
        RowError: the row lacks a column that the template names, or holds null there.
    """
    values: dict[str, str] = {}
    for name in placeholders(template):
        value = row.get(name)
        if value is None:
            raise RowError(name, "is missing, and a prompt template names it")
        values[name] = value if isinstance(value, str) else str(value)
    return string.Formatter().vformat(template, (), values)
