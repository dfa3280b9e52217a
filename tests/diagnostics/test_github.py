from __future__ import annotations

import os

from recipe_engine.diagnostics import Diagnostic, Span
from recipe_engine.diagnostics.github import render_github


def test_a_finding_is_a_command_with_its_place_and_code() -> None:
    found = Diagnostic("R201", "error", "unknown key", Span("recipes/a.yaml", 3, 5, 3, 9))
    assert render_github([found]) == (
        "::error file=recipes/a.yaml,line=3,col=5,endLine=3,endColumn=9,title=R201::unknown key"
    )


def test_severities_have_the_names_that_github_gives_them() -> None:
    span = Span("a.yaml", 1, 1, 1, 2)
    found = [Diagnostic("X", severity, "m", span) for severity in ("error", "warning", "note")]
    assert [line.split(" ")[0] for line in render_github(found).split("\n")] == ["::error", "::warning", "::notice"]


def test_the_hint_is_a_second_line_of_the_message() -> None:
    found = Diagnostic("R201", "error", "100% wrong", Span("a.yaml", 1, 1, 1, 2), "write 50%")
    assert render_github([found]).endswith("::100%25 wrong%0Awrite 50%25")


def test_a_span_over_several_lines_has_no_columns() -> None:
    found = Diagnostic("R201", "error", "m", Span("a.yaml", 1, 7, 4, 2))
    assert render_github([found]) == "::error file=a.yaml,line=1,endLine=4,title=R201::m"


def test_nothing_in_a_recipe_can_end_the_command_or_begin_another() -> None:
    hostile = "x,line=1::\r\n::error::forged"
    text = render_github([Diagnostic("R201", "error", hostile, Span(f"{hostile}.yaml", 1, 1, 1, 2), hostile)])
    assert "\n" not in text
    assert "\r" not in text
    head, _, message = text.removeprefix("::error ").partition("::")
    assert (
        head == "file=x%2Cline=1%3A%3A\\r\\n%3A%3Aerror%3A%3Aforged.yaml,line=1,col=1,endLine=1,endColumn=2,title=R201"
    )
    assert message.startswith("x,line=1::\\r\\n::error::forged%0A")


def test_files_are_named_as_seen_from_the_root_of_the_repository() -> None:
    root = os.path.abspath("repository")
    found = Diagnostic("R201", "error", "m", Span(os.path.join(root, "sub", "a.yaml"), 1, 1, 1, 2))
    assert "file=sub/a.yaml," in render_github([found], root)


def test_a_finding_on_the_command_line_has_no_file() -> None:
    found = Diagnostic("S140", "error", "m", Span("<command line>", 1, 1, 1, 2))
    assert render_github([found]) == "::error title=S140::m"
