"""Small diagnoses and text edits that more than one finding about YAML uses."""

from __future__ import annotations

import re

from recipe_engine.diagnostics import Diagnostic, Edit, Fix
from recipe_engine.source.text import Text, code_point

# What YAML takes for letters, and most fonts show as a space or not at all.
UNUSUAL_SPACE = re.compile("[\u00a0\u1680\u2000-\u200d\u202f\u205f\u2060\u3000]+")
_NO_WIDTH = "\u200b\u200c\u200d\u2060"

_KEY_WITHOUT_SPACE = re.compile(r"[ \t]*(?:- +)*[A-Za-z_][\w.-]+:(?=[^\s:/\\])")


def quoted(value: str) -> str:
    """Return ``value`` as a quoted YAML scalar on one line."""
    return "'" + value.replace("'", "''") + "'"


def unusual_space(text: Text, start: int, end: int) -> Diagnostic | None:
    """Return the finding for the first blank that is no plain space in ``text.text[start:end]``."""
    match = UNUSUAL_SPACE.search(text.text, start, end)
    if match is None:
        return None
    place = text.span(*match.span())
    plain = " " * sum(char not in _NO_WIDTH for char in match[0])
    fix = Fix("write plain spaces", (Edit(place, plain),))
    message = f"the blank here is {code_point(match[0][0])}, which YAML reads as a letter, not as a space"
    return Diagnostic(
        "S125", "error", message, place, "replace it by a plain space; it often comes with copied text", fix
    )


def syntax_finding(text: Text, at: int, message: str, hint: str | None, fix: Fix | None = None) -> Diagnostic:
    """Return the finding for text that is not YAML, placed at one character."""
    end = at + 1 if at < len(text.text) and text.text[at] != "\n" else at
    return Diagnostic("S110", "error", message, text.span(at, end), hint, fix)


def missing_space(text: Text, line_start: int) -> Diagnostic | None:
    """Return the finding for a line that starts with ``key:value``, which YAML takes for one word."""
    match = _KEY_WITHOUT_SPACE.match(text.text, line_start)
    if match is None:
        return None
    fix = Fix("insert a space", (Edit(text.span(match.end(), match.end()), " "),))
    return syntax_finding(text, match.end() - 1, "the space after this colon is missing", "write `key: value`", fix)


def quote_rest(text: Text, start: int) -> Fix | None:
    """Quote what is left of the line; None where that could change what else the line says."""
    _, line_end = text.line_at(start)
    value = _without_comment(text.text[start:line_end])
    if not value or value[0] in "'\"|>" or any(char in value for char in ",[]{}"):
        return None
    return Fix("put the value in quotes", (Edit(text.span(start, start + len(value)), quoted(value)),))


def line_before(text: Text, line_start: int) -> tuple[int, int] | None:
    """Return the ends of the nearest line above that is neither blank nor a comment."""
    while line_start > 0:
        start, end = text.line_at(line_start - 1)
        content = text.text[start:end].lstrip()
        if content and not content.startswith("#"):
            return start, end
        line_start = start
    return None


def stripped(text: Text, start: int, end: int) -> tuple[int, int]:
    """Return the ends of ``text.text[start:end]`` without the blanks around it."""
    part = text.text[start:end]
    return start + len(part) - len(part.lstrip()), start + len(part.rstrip())


def _without_comment(line: str) -> str:
    at = line.find("#", 1)
    while at > 0 and line[at - 1] not in " \t":
        at = line.find("#", at + 1)
    return (line[:at] if at > 0 else line).rstrip(" \t")
