from __future__ import annotations

import textwrap

import pytest

from recipe_engine.diagnostics import Diagnostic, Edit, Fix, Related, Severity, Span
from recipe_engine.diagnostics.text import render_text, summary

FILE = "recipes/sft.yaml"


def finding(span: tuple[int, int, int, int], severity: Severity = "error", message: str = "unknown key") -> Diagnostic:
    return Diagnostic("R201", severity, message, Span(FILE, *span))


def shown(text: str, span: tuple[int, int, int, int]) -> list[str]:
    """The source line and the carets under it, without the margin."""
    lines = render_text([finding(span)], {FILE: text}).split("\n")
    return [line.partition("| ")[2] for line in lines[2:]]


def test_a_finding_shows_its_place_the_source_line_and_what_to_write() -> None:
    found = Diagnostic(
        "S113",
        "error",
        "`seed` is written twice",
        Span(FILE, 12, 3, 12, 7),
        "keep one of the two",
        related=(Related(Span(FILE, 7, 3, 7, 7), "the first is here"),),
    )
    other = Diagnostic("L301", "warning", "no adapter", Span(FILE, 2, 17, 2, 21))
    text = "model:\n  load_in_4bit: true\n" + "\n" * 9 + "  seed: 1\n"
    assert render_text([other, found], {FILE: text}) == textwrap.dedent(
        """\
        recipes/sft.yaml:2:17: warning[L301]: no adapter
          |
        2 |   load_in_4bit: true
          |                 ^^^^

        recipes/sft.yaml:12:3: error[S113]: `seed` is written twice
           |
        12 |   seed: 1
           |   ^^^^
           = help: keep one of the two
           = see recipes/sft.yaml:7:3: the first is here"""
    )


def test_a_finding_in_a_file_without_text_is_its_message_alone() -> None:
    assert render_text([finding((1, 1, 1, 1))], {}) == "recipes/sft.yaml:1:1: error[R201]: unknown key"


def test_the_description_of_a_fix_stands_in_for_a_missing_hint() -> None:
    span = Span(FILE, 1, 1, 1, 3)
    fix = Fix("write learning_rate", (Edit(span, "learning_rate"),))
    text = render_text([Diagnostic("R206", "note", "an old name", span, fix=fix)], {FILE: "lr: 1\n"})
    assert text.endswith("  = help: write learning_rate")


def test_a_tab_is_as_wide_as_the_carets_under_it_take_it_for() -> None:
    assert shown("a:\tbad value", (1, 4, 1, 7)) == ["a:    bad value", "      ^^^"]


def test_wide_letters_take_two_columns_and_combining_ones_none() -> None:
    assert shown("名前: 値 # e\u0301", (1, 5, 1, 6)) == ["名前: 値 # e\u0301", "      ^^"]
    assert shown("a\uff1a b", (1, 4, 1, 5)) == ["a\uff1a b", "    ^"]
    assert shown("e\u0301e\u0301: x", (1, 7, 1, 8)) == ["e\u0301e\u0301: x", "    ^"]


def test_an_empty_span_has_one_caret_also_after_the_end_of_the_line() -> None:
    assert shown("seed:", (1, 6, 1, 6)) == ["seed:", "     ^"]


def test_of_a_span_over_several_lines_the_first_is_shown() -> None:
    assert shown("data: [1,  \n  2]", (1, 7, 2, 5)) == ["data: [1,", "      ^^^"]


@pytest.mark.parametrize("column", [1, 2, 90, 500, 5000, 9999, 10001])
def test_a_very_long_line_is_cut_around_the_carets(column: int) -> None:
    line = "".join(chr(ord("a") + index % 26) for index in range(10_000))
    text, carets = shown(line, (1, column, 1, column + 4))
    assert len(text) <= 106
    start, width = len(carets) - len(carets.lstrip()), carets.count("^")
    assert text[start : start + width] == line[column - 1 : column + 3]
    assert text.startswith("...") == (column > 50)
    assert text.endswith("...") == (column < 9900)


def test_carets_that_are_longer_than_a_line_may_be_are_cut_with_it() -> None:
    assert shown("k: " + "x" * 5000, (1, 4, 1, 5004)) == [f"...{'x' * 100}...", "   " + "^" * 100]


def test_a_finding_in_a_megabyte_on_one_line_is_shown_at_once() -> None:
    text, carets = shown("x" * 2**20, (1, 500_000, 1, 2**20))
    assert len(text) <= 110
    assert len(carets) <= 110


def test_nothing_in_a_file_can_steer_the_terminal_or_forge_a_line() -> None:
    hostile = "\x1b[2J\r\u202e\u2028\x85\x07\nfake.yaml:1:1: error[R201]: forged"
    span = Span(f"dir/{hostile}.yaml", 1, 1, 1, 2)
    found = Diagnostic("R201", "error", hostile, span, hostile, related=(Related(span, hostile),))
    text = render_text([found], {span.file: f"\x1b[31m{hostile}"})
    assert all(char.isprintable() or char == "\n" for char in text)
    assert text.count("\n") == 5
    assert "\\x1b[2J\\r\\u202e\\u2028\\x85\\x07\\nfake.yaml" in text


def test_secrets_in_the_source_line_are_masked_in_their_full_length() -> None:
    line = "  api_key: hf_abcdefghijklmnopqrstuvwxyz0123"
    assert shown(line, (1, 12, 1, 45)) == ["  api_key: " + "*" * 33, "           " + "^" * 33]


def test_a_secret_that_runs_over_several_lines_is_masked_in_each() -> None:
    key = "-----BEGIN RSA PRIVATE KEY-----\nMIIEowIBAAKCAQEA\nshort\n-----END RSA PRIVATE KEY-----\n"
    assert "short" not in render_text([finding((3, 1, 3, 6))], {FILE: key})


def test_colours_are_there_only_when_asked_for() -> None:
    found, texts = [finding((1, 1, 1, 2), "warning")], {FILE: "abc"}
    assert "\x1b" not in render_text(found, texts)
    colored = render_text(found, texts, color=True)
    assert "\x1b[1;33mwarning[R201]:\x1b[0m" in colored
    assert colored.count("\x1b[0m") >= 4


@pytest.mark.parametrize(
    ("severities", "count", "line"),
    [
        ([], 1, "no findings; 1 file checked"),
        (["error"], 1, "1 error in 1 file; 1 file checked"),
        (["warning", "error", "note", "error", "error"], 12, "3 errors, 1 warning, 1 note in 1 file; 12 files checked"),
    ],
)
def test_the_summary_counts(severities: list[Severity], count: int, line: str) -> None:
    assert summary([finding((1, 1, 1, 1), severity) for severity in severities], count) == line
