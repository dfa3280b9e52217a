"""Findings as SARIF 2.1.0, the format that code scanning services read.

https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any
from urllib.parse import quote

from recipe_engine.diagnostics.model import Diagnostic, Edit, Severity, Span

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
ROOT = "%SRCROOT%"


@dataclass(frozen=True, slots=True)
class RuleHelp:
    """What there is to say of a code: ``text`` is shown as Markdown too."""

    name: str
    severity: Severity
    text: str


def render_sarif(
    diagnostics: Sequence[Diagnostic], rules: Mapping[str, RuleHelp], version: str, root: str = "."
) -> str:
    """Return a log of one run, in ASCII. ``rules`` describes the codes; file names count from the folder ``root``."""
    codes = sorted({found.code for found in diagnostics})
    run = {
        "tool": {
            "driver": {
                "name": "recipe-engine",
                "semanticVersion": version,
                "rules": [_rule(code, rules[code]) for code in codes],
            }
        },
        "columnKind": "unicodeCodePoints",
        "originalUriBaseIds": {ROOT: {"description": {"text": "The folder that the recipes belong to."}}},
        "results": [_result(found, codes.index(found.code), root) for found in diagnostics],
    }
    return json.dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2)


def _rule(code: str, rule: RuleHelp) -> dict[str, Any]:
    first = rule.text.partition("\n\n")[0]
    return {
        "id": code,
        "name": rule.name,
        "shortDescription": {"text": rule.name.replace("-", " ")},
        "fullDescription": {"text": " ".join(first.split())},
        "help": {"text": rule.text, "markdown": rule.text},
        "defaultConfiguration": {"level": rule.severity},
    }


def _result(found: Diagnostic, index: int, root: str) -> dict[str, Any]:
    text = found.message if found.hint is None else f"{found.message}. {found.hint}"
    result: dict[str, Any] = {
        "ruleId": found.code,
        "ruleIndex": index,
        "level": found.severity,
        "message": {"text": text},
        "locations": [_location(found.span, root)],
    }
    if found.related:
        result["relatedLocations"] = [
            {"id": number, **_location(other.span, root), "message": {"text": other.message}}
            for number, other in enumerate(found.related, start=1)
        ]
    if found.fix:
        changes = _changes(found.fix.edits, root)
        result["fixes"] = [{"description": {"text": found.fix.description}, "artifactChanges": changes}]
    return result


def _changes(edits: Sequence[Edit], root: str) -> list[dict[str, Any]]:
    by_file = groupby(sorted(edits, key=lambda edit: edit.span), key=lambda edit: edit.span.file)
    return [
        {
            "artifactLocation": _artifact(file, root),
            "replacements": [
                {"deletedRegion": _region(edit.span), "insertedContent": {"text": edit.replacement}} for edit in group
            ],
        }
        for file, group in by_file
    ]


def _location(span: Span, root: str) -> dict[str, Any]:
    return {"physicalLocation": {"artifactLocation": _artifact(span.file, root), "region": _region(span)}}


def _region(span: Span) -> dict[str, int]:
    return {
        "startLine": span.line,
        "startColumn": span.column,
        "endLine": span.end_line,
        "endColumn": span.end_column,
    }


def _artifact(file: str, root: str) -> dict[str, str]:
    path = os.path.relpath(file, root).replace(os.sep, "/")
    return {"uri": quote(os.fsencode(path)), "uriBaseId": ROOT}
