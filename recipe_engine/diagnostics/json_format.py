"""Findings as one JSON document, for programs. Its keys are stable; ``version`` would change with their meaning."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from recipe_engine.diagnostics.model import Diagnostic, Fix, Span

VERSION = 1


def render_json(diagnostics: Sequence[Diagnostic], files_checked: int) -> str:
    """Return the document, in ASCII, so that no locale can garble it. Columns count characters from 1."""
    document = {
        "version": VERSION,
        "files_checked": files_checked,
        "diagnostics": [_diagnostic(found) for found in diagnostics],
    }
    return json.dumps(document, indent=2)


def _diagnostic(found: Diagnostic) -> dict[str, Any]:
    return {
        "code": found.code,
        "severity": found.severity,
        "message": found.message,
        **_span(found.span),
        "hint": found.hint,
        "fix": _fix(found.fix),
        "related": [{**_span(other.span), "message": other.message} for other in found.related],
    }


def _fix(fix: Fix | None) -> dict[str, Any] | None:
    if fix is None:
        return None
    edits = [{**_span(edit.span), "replacement": edit.replacement} for edit in fix.edits]
    return {"description": fix.description, "edits": edits}


def _span(span: Span) -> dict[str, Any]:
    return {
        "file": span.file,
        "line": span.line,
        "column": span.column,
        "end_line": span.end_line,
        "end_column": span.end_column,
    }
