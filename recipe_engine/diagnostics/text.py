"""Findings as text for people: place, message, the source line with carets under it, and what to do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from recipe_engine.diagnostics.excerpt import excerpt
from recipe_engine.diagnostics.model import Diagnostic, Severity, Span
from recipe_engine.diagnostics.redact import redact
from recipe_engine.diagnostics.visible import visible

WIDTH = 100
"""Most columns of a source line."""

SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")


class _Style(NamedTuple):
    """Escape sequences; all empty where the text does not go to a terminal."""

    error: str = ""
    warning: str = ""
    note: str = ""
    bold: str = ""
    dim: str = ""
    plain: str = ""


_PLAIN = _Style()
_COLORS = _Style("\x1b[1;31m", "\x1b[1;33m", "\x1b[1;36m", "\x1b[1m", "\x1b[34m", "\x1b[0m")


def render_text(diagnostics: Sequence[Diagnostic], texts: Mapping[str, str], *, color: bool = False) -> str:
    """Return the findings in the order given, an empty line between two, without a line break at the end.

    ``texts`` holds the text of each file by the name that spans carry; of a file that is not in it no line is shown.
    Whatever looks like a secret is masked in source lines.
    """
    style = _COLORS if color else _PLAIN
    lines: dict[str, list[str]] = {}
    for found in diagnostics:
        if found.span.file in texts and found.span.file not in lines:
            # The whole text at once: a secret may run over several lines.
            lines[found.span.file] = redact(texts[found.span.file]).split("\n")
    return "\n\n".join("\n".join(_render(found, lines.get(found.span.file, []), style)) for found in diagnostics)


def summary(diagnostics: Sequence[Diagnostic], files_checked: int) -> str:
    """Return the line that closes the output: ``3 errors, 1 warning in 2 files; 12 files checked``."""
    checked = f"{counted(files_checked, 'file')} checked"
    if not diagnostics:
        return f"no findings; {checked}"
    totals = {severity: sum(found.severity == severity for found in diagnostics) for severity in SEVERITIES}
    parts = ", ".join(counted(number, severity) for severity, number in totals.items() if number)
    return f"{parts} in {counted(len({found.span.file for found in diagnostics}), 'file')}; {checked}"


def counted(number: int, noun: str) -> str:
    """Return ``1 file``, ``2 files``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def place(span: Span) -> str:
    """Return where a span begins, as ``file:line:column``."""
    return f"{visible(span.file)}:{span.line}:{span.column}"


def _render(found: Diagnostic, lines: list[str], style: _Style) -> Iterator[str]:
    mark = getattr(style, found.severity)
    head = f"{style.bold}{place(found.span)}:{style.plain} {mark}{found.severity}[{found.code}]:{style.plain}"
    yield f"{head} {style.bold}{visible(found.message)}{style.plain}"
    number = str(found.span.line)
    margin = " " * len(number)
    if found.span.line <= len(lines) and lines[found.span.line - 1].strip():
        line = lines[found.span.line - 1]
        start = min(found.span.column - 1, len(line))
        end = found.span.end_column - 1 if found.span.end_line == found.span.line else len(line.rstrip())
        text, carets = excerpt(line, start, max(start, min(end, len(line))), WIDTH)
        yield f"{style.dim}{margin} |{style.plain}"
        yield f"{style.dim}{number} |{style.plain} {text}"
        yield f"{style.dim}{margin} |{style.plain} {mark}{carets}{style.plain}"
    advice = found.hint or (found.fix and found.fix.description)
    if advice:
        yield f"{style.dim}{margin} ={style.plain} help: {visible(advice)}"
    for other in found.related:
        yield f"{style.dim}{margin} ={style.plain} see {place(other.span)}: {visible(other.message)}"
