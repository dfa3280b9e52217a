"""Findings for what YAML allows and a recipe does not.

Each function returns the finding; the builder in ``parse`` decides when it applies and goes on after it.
"""

from __future__ import annotations

import re

from recipe_engine.diagnostics import Diagnostic, Edit, Fix, Related, Span
from recipe_engine.source.node import MAX_DEPTH, MAX_NODES
from recipe_engine.source.repairs import UNUSUAL_SPACE, quoted, unusual_space
from recipe_engine.source.text import Text, shown

_ANCHOR = re.compile(r"(?:!\S*\s+)?(&[^\s,\[\]{}]+)[ \t]*")
_TAG = re.compile(r"(?:&\S+\s+)?(![^\s,\[\]{}]*)")
_DIRECTIVE_LINE = re.compile(r"[ \t]*(?:#.*)?\n|%.*\n?")
_ACCEPTED_DIRECTIVE = re.compile(r"%YAML[ \t]+1\.2[ \t]*(?:#.*)?")
_SURROGATE = re.compile("[\ud800-\udfff]")
_SHARE = "write the value out, or put what is shared in a file of its own and name it under `extends`"


def directives(text: Text) -> tuple[str, list[Diagnostic]]:
    """Return the text with its directives turned into comments of the same length, and a finding if one is bad.

    Parsers differ in which directives they accept, and none may change how a recipe is read.
    """
    pieces: list[str] = []
    findings: list[Diagnostic] = []
    done = start = 0
    while (match := _DIRECTIVE_LINE.match(text.text, start)) and match.end() > start:
        line = match[0].rstrip("\n")
        if line.startswith("%"):
            if not findings and not _ACCEPTED_DIRECTIVE.fullmatch(line):
                hint = "remove the line; a recipe is always read as YAML 1.2"
                span = text.span(start, start + len(line))
                findings.append(_error("S120", f"the directive {shown(line)} is not allowed", span, hint))
            pieces += (text.text[done:start], "#")
            done = start + 1
        start = match.end()
    return "".join((*pieces, text.text[done:])), findings


def duplicate_key(key: str, span: Span, first: Span) -> Diagnostic:
    """A key written twice in one mapping: most parsers silently keep the last."""
    message = f"the key {shown(key)} is written twice in this mapping"
    return Diagnostic("S113", "error", message, span, "keep one of them", None, (Related(first, "first written here"),))


def anchor(text: Text, name: str, start: int, end: int) -> tuple[Diagnostic, str]:
    """Return the finding for ``&name`` and the source text of the value that it names."""
    match = _ANCHOR.match(text.text, start)
    begin, stop, name_end = (match.start(1), match.end(), match.end(1)) if match else (start, start, end)
    fix = Fix("remove the anchor", (Edit(text.span(begin, stop), ""),))
    hint = "remove it, and write the value out where it is used"
    finding = _error("S114", f"the anchor {shown('&' + name)} is not allowed", text.span(begin, name_end), hint, fix)
    return finding, text.text[stop:end]


def alias(name: str, span: Span, source: str) -> Diagnostic:
    """``*name``. ``source`` is the text it stands for, if that is a scalar; else empty."""
    fix = Fix("write the value out", (Edit(span, source),)) if source and "\n" not in source else None
    return _error("S114", f"the alias {shown('*' + name)} is not allowed", span, _SHARE, fix)


def merge_key(span: Span) -> Diagnostic:
    """``<<``, which YAML 1.2 no longer has."""
    return _error("S115", "the merge key `<<` is not allowed", span, _SHARE)


def tag(text: Text, start: int, end: int) -> Diagnostic:
    """``!tag``: a recipe's types follow from how a value is written."""
    match = _TAG.match(text.text, start)
    begin, stop = match.span(1) if match else (start, end)
    hint = "remove it: what is in quotes is text, and a number without quotes is a number"
    return _error("S116", f"the tag {shown(text.text[begin:stop])} is not allowed", text.span(begin, stop), hint)


def key_not_text(key: str, span: Span) -> Diagnostic:
    """A key such as ``1`` or ``true``, which is no string under YAML's rules."""
    if not key:
        return _error("S117", "this key is empty", span, "write a key before the colon")
    fix = Fix("put the key in quotes", (Edit(span, quoted(key)),))
    return _error("S117", f"the key {shown(key)} is not text", span, "put it in quotes", fix)


def collection_as_key(span: Span) -> Diagnostic:
    """A mapping or list as a key, which is nearly always an unquoted template."""
    hint = "text that holds { or [, such as a template's {{placeholder}}, must be in quotes"
    return _error("S118", "a mapping or a list cannot be a key", span, hint)


def second_document(text: Text, start: int) -> Diagnostic:
    """Anything after the end of the first document."""
    end = start + 3 if text.text.startswith("---", start) else start
    hint = "keep one recipe in a file"
    return _error("S119", "a second YAML document starts here", text.span(start, end), hint)


def too_deep(span: Span) -> Diagnostic:
    """One mapping or list too many inside one another."""
    return _error("S121", f"mappings and lists are nested more than {MAX_DEPTH} deep", span)


def too_many(span: Span) -> Diagnostic:
    """More keys and values than any recipe has."""
    hint = "put data into a data file and name it under data.datasets"
    return _error("S122", f"the recipe has more than {MAX_NODES} keys and values", span, hint)


def lone_surrogate(value: str, span: Span) -> Diagnostic | None:
    """An escape for half a character, as JSON writes those beyond U+FFFF. libyaml refuses it by itself."""
    if _SURROGATE.search(value) is None:
        return None
    hint = "write the character itself, or its number as \\U and 8 hexadecimal digits"
    return _error("S110", "an escape here names half a character", span, hint)


def edge_space(text: Text, value: str, start: int, end: int) -> Diagnostic | None:
    """A plain scalar that starts or ends with a blank that is no space for YAML, and so has become part of it."""
    if UNUSUAL_SPACE.match(value[0]):
        return unusual_space(text, start, end)
    if UNUSUAL_SPACE.match(value[-1]):
        edge = len(text.text[start:end].rstrip(value[-1]))
        return unusual_space(text, start + edge, end)
    return None


def _error(code: str, message: str, span: Span, hint: str | None = None, fix: Fix | None = None) -> Diagnostic:
    return Diagnostic(code, "error", message, span, hint, fix)
