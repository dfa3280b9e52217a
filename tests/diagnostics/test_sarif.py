from __future__ import annotations

import json
from typing import Any

from recipe_engine.diagnostics import Diagnostic, Edit, Fix, Related, Span
from recipe_engine.diagnostics.sarif import RuleHelp, render_sarif

RULES = {
    "R201": RuleHelp("unknown-key", "error", "No such setting.\nIt is ignored nowhere.\n\nMore."),
    "R206": RuleHelp("renamed-key", "note", "An old name."),
}
SPAN = Span("recipes/my recipe.yaml", 3, 5, 3, 9)


def run_of(*found: Diagnostic) -> dict[str, Any]:
    document = json.loads(render_sarif(found, RULES, "1.2.3"))
    assert document["version"] == "2.1.0"
    (run,) = document["runs"]
    assert isinstance(run, dict)
    return run


def test_a_result_has_its_place_and_refers_to_its_rule() -> None:
    run = run_of(Diagnostic("R206", "note", "old", SPAN), Diagnostic("R201", "warning", "unknown", SPAN, "write seed"))
    first, second = run["results"]
    assert [first["ruleIndex"], second["ruleIndex"]] == [1, 0]
    assert (second["ruleId"], second["level"], second["message"]) == (
        "R201",
        "warning",
        {"text": "unknown. write seed"},
    )
    assert second["locations"] == [
        {
            "physicalLocation": {
                "artifactLocation": {"uri": "recipes/my%20recipe.yaml", "uriBaseId": "%SRCROOT%"},
                "region": {"startLine": 3, "startColumn": 5, "endLine": 3, "endColumn": 9},
            }
        }
    ]


def test_rules_that_were_broken_are_described_with_their_help() -> None:
    driver = run_of(Diagnostic("R201", "error", "unknown", SPAN))["tool"]["driver"]
    assert (driver["name"], driver["semanticVersion"]) == ("recipe-engine", "1.2.3")
    assert driver["rules"] == [
        {
            "id": "R201",
            "name": "unknown-key",
            "shortDescription": {"text": "unknown key"},
            "fullDescription": {"text": "No such setting. It is ignored nowhere."},
            "help": {"text": RULES["R201"].text, "markdown": RULES["R201"].text},
            "defaultConfiguration": {"level": "error"},
        }
    ]


def test_a_fix_is_given_by_file() -> None:
    fix = Fix("write seed", (Edit(SPAN, "seed"), Edit(Span("b.yaml", 1, 1, 1, 1), "x"), Edit(SPAN, "more")))
    (result,) = run_of(Diagnostic("R201", "error", "unknown", SPAN, fix=fix))["results"]
    (shown,) = result["fixes"]
    assert shown["description"] == {"text": "write seed"}
    assert [
        (change["artifactLocation"]["uri"], [one["insertedContent"]["text"] for one in change["replacements"]])
        for change in shown["artifactChanges"]
    ] == [("b.yaml", ["x"]), ("recipes/my%20recipe.yaml", ["seed", "more"])]


def test_related_places_are_numbered() -> None:
    related = (Related(SPAN, "first"), Related(SPAN, "second"))
    (result,) = run_of(Diagnostic("R201", "error", "unknown", SPAN, related=related))["results"]
    assert [(one["id"], one["message"]["text"]) for one in result["relatedLocations"]] == [(1, "first"), (2, "second")]


def test_no_findings_are_a_run_without_results() -> None:
    run = run_of()
    assert run["results"] == []
    assert run["tool"]["driver"]["rules"] == []
