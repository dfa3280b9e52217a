"""``# lint: allow L321``: a warning that the author has seen and means, silenced on its line."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from recipe_engine.diagnostics import Diagnostic, Span

_COMMENT = re.compile(r"#\s*lint:\s*allow\s+(?P<codes>[A-Z]\d{3}(?:\s*,\s*[A-Z]\d{3})*)")


def without_allowed(found: list[Diagnostic], texts: Mapping[str, str]) -> list[Diagnostic]:
    """Leave out the warnings and notes that a comment on their line allows. Errors cannot be allowed."""
    allowed = {(span.file, span.line, code) for file in texts for span, code in _allowances(file, texts[file])}
    return [
        diagnostic
        for diagnostic in found
        if diagnostic.severity == "error"
        or (diagnostic.span.file, diagnostic.span.line, diagnostic.code) not in allowed
    ]


def unused_allowances(found: list[Diagnostic], file: str, text: str) -> Iterator[Diagnostic]:
    """R212 for each code that a comment of the checked file allows and nothing on its line has."""
    places = {(diagnostic.span.line, diagnostic.code) for diagnostic in found if diagnostic.severity != "error"}
    for span, code in _allowances(file, text):
        # Findings about data and this machine are not among those of the recipe, so nothing can be said of these.
        if (span.line, code) not in places and code[0] not in "DT":
            message = f"nothing on this line has the code {code}, or it is an error, which cannot be allowed"
            yield Diagnostic("R212", "note", message, span, hint="remove the comment")


def _allowances(file: str, text: str) -> Iterator[tuple[Span, str]]:
    if "lint:" not in text:
        return
    for number, line in enumerate(text.split("\n"), start=1):
        for comment in _COMMENT.finditer(line):
            span = Span(file, number, comment.start() + 1, number, comment.end() + 1)
            yield from ((span, code) for code in re.findall(r"[A-Z]\d{3}", comment["codes"]))
