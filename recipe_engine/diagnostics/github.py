"""Findings as workflow commands, which GitHub shows beside the lines of a pull request."""

from __future__ import annotations

import os
from collections.abc import Sequence

from recipe_engine.diagnostics.model import Diagnostic, Span
from recipe_engine.diagnostics.visible import visible

COMMANDS = {"error": "error", "warning": "warning", "note": "notice"}


def render_github(diagnostics: Sequence[Diagnostic], root: str = ".") -> str:
    """Return one command a finding, a line each. ``root`` is the folder of the repository, which files count from.

    https://docs.github.com/actions/reference/workflows-and-actions/workflow-commands
    """
    return "\n".join(_command(found, root) for found in diagnostics)


def _command(found: Diagnostic, root: str) -> str:
    text = visible(found.message) if found.hint is None else f"{visible(found.message)}\n{visible(found.hint)}"
    properties = {**_place(found.span, root), "title": found.code}
    listed = ",".join(f"{name}={_property(value)}" for name, value in properties.items())
    return f"::{COMMANDS[found.severity]} {listed}::{_data(text)}"


def _place(span: Span, root: str) -> dict[str, str]:
    if span.file.startswith("<"):  # not a file: the command line
        return {}
    file = os.path.relpath(span.file, root).replace(os.sep, "/")
    place = {"file": visible(file), "line": str(span.line)}
    if span.end_line == span.line:
        return {
            **place,
            "col": str(span.column),
            "endLine": str(span.end_line),
            "endColumn": str(span.end_column),
        }
    # GitHub takes columns only of annotations on one line.
    return {**place, "endLine": str(span.end_line)}


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
