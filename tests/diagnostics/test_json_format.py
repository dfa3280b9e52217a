from __future__ import annotations

import json

from recipe_engine.diagnostics import Diagnostic, Edit, Fix, Related, Span
from recipe_engine.diagnostics.json_format import render_json

SPAN = Span("a.yaml", 2, 3, 2, 7)


def test_a_finding_has_every_key_whether_or_not_there_is_something_to_say() -> None:
    assert json.loads(render_json([Diagnostic("R202", "error", "no model", SPAN)], 3)) == {
        "version": 1,
        "files_checked": 3,
        "diagnostics": [
            {
                "code": "R202",
                "severity": "error",
                "message": "no model",
                "file": "a.yaml",
                "line": 2,
                "column": 3,
                "end_line": 2,
                "end_column": 7,
                "hint": None,
                "fix": None,
                "related": [],
            }
        ],
    }


def test_fixes_and_related_places_are_given_whole() -> None:
    fix = Fix("write seed", (Edit(SPAN, "seed"),))
    found = Diagnostic("R201", "error", "unknown", SPAN, "did you mean", fix, (Related(SPAN, "there"),))
    place = {"file": "a.yaml", "line": 2, "column": 3, "end_line": 2, "end_column": 7}
    (shown,) = json.loads(render_json([found], 1))["diagnostics"]
    assert shown["hint"] == "did you mean"
    assert shown["fix"] == {"description": "write seed", "edits": [{**place, "replacement": "seed"}]}
    assert shown["related"] == [{**place, "message": "there"}]


def test_the_document_is_ascii_whatever_it_says() -> None:
    found = Diagnostic("R201", "error", "é \u2028 \x1b \udcff", Span("caf\u00e9.yaml", 1, 1, 1, 1))
    text = render_json([found], 1)
    assert text.isascii()
    assert json.loads(text)["diagnostics"][0]["message"] == found.message
