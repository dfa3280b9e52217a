"""Plain (unquoted) scalars under YAML 1.2's core schema.

YAML 1.2.2, section 10.3.2. PyYAML's own resolver follows YAML 1.1, where ``1e-5`` is a string, ``no`` is false, ``010``
is 8 and ``1:30`` is 90.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from recipe_engine.diagnostics import Diagnostic, Edit, Fix
from recipe_engine.source.document import Mark
from recipe_engine.source.node import Node, Scalar
from recipe_engine.source.text import shown

MAX_INTEGER = 2**63 - 1
MIN_INTEGER = -(2**63)

_WORDS: dict[str, bool | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_NUMBER_START = frozenset("0123456789+-.")
_INTEGER = re.compile(r"[-+]?([0-9]+)|0o([0-7]+)|0x([0-9a-fA-F]+)")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_NON_FINITE = frozenset(sign + word for sign in ("", "+", "-") for word in (".inf", ".Inf", ".INF")) | {
    ".nan",
    ".NaN",
    ".NAN",
}
_DIGITS_OF_MAX_INTEGER = 19


@dataclass(frozen=True, slots=True)
class BadNumber:
    """Text that is a number for YAML, but not one that a recipe may hold."""

    code: str
    message: str
    hint: str


def resolve(plain: str) -> Scalar | BadNumber:
    """Return the value of a plain scalar: null, a boolean, an integer, a float, or the text itself."""
    if plain in _WORDS:
        return _WORDS[plain]
    if plain[0] not in _NUMBER_START:
        return plain
    integer = _INTEGER.fullmatch(plain)
    if integer:
        return _integer(plain, integer)
    if _FLOAT.fullmatch(plain):
        value = float(plain)
        if math.isfinite(value):
            return value
        return BadNumber("S124", f"{shown(plain, 30)} is too large for a float", "the largest is about 1.8e+308")
    if plain in _NON_FINITE:
        return BadNumber("S124", f"{shown(plain)} is not a finite number", "write a number, or leave the key out")
    return plain


def plain_node(value: str, mark: Mark, findings: list[Diagnostic]) -> Node:
    """Return the node for a scalar without quotes, adding to ``findings`` what is wrong with it."""
    content = resolve(value)
    if isinstance(content, BadNumber):
        findings.append(Diagnostic(content.code, "error", content.message, mark.value, content.hint))
        return Node(None, mark, readable=False)
    if _leading_zero(value, content):
        message = f"{shown(value, 30)} is the number {content}; programs that read YAML 1.1 take it for octal"
        hint = f"write {content}, or 0o{value.lstrip('+-0') or '0'} if octal is meant, or put text in quotes"
        fix = Fix("leave the zeros out", (Edit(mark.value, str(content)),))
        findings.append(Diagnostic("S126", "note", message, mark.value, hint, fix))
    return Node(content, mark)


def _leading_zero(plain: str, value: Scalar) -> bool:
    """Tell whether this integer starts with a zero that YAML 1.1 takes to mean octal."""
    digits = plain.lstrip("+-")
    return type(value) is int and len(digits) > 1 and digits[0] == "0" and digits.isdecimal()


def _integer(plain: str, match: re.Match[str]) -> int | BadNumber:
    decimal, octal, hexadecimal = match.groups()
    if decimal is None:
        value = int(octal, 8) if octal else int(hexadecimal, 16)
    elif len(significant := decimal.lstrip("0") or "0") <= _DIGITS_OF_MAX_INTEGER:
        value = -int(significant) if plain[0] == "-" else int(significant)
    else:
        # Not converted: Python refuses integers of thousands of digits, and takes quadratic time for fewer.
        value = MAX_INTEGER + 1
    if MIN_INTEGER <= value <= MAX_INTEGER:
        return value
    return BadNumber(
        "S123",
        f"{shown(plain, 30)} is too large for a 64-bit integer",
        "integers lie between -2**63 and 2**63 - 1; put digits that are no number in quotes",
    )
