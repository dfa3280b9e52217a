"""Nothing that is shown steers a terminal or a CI runner, whatever stands in it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recipe_engine.diagnostics.redact import redact_tokens
from recipe_engine.diagnostics.visible import visible_lines

STEERING = ["\t", "\n", "\r", "\x1b[2J", "\u2028", "\u00a0", "\u202e"]
PARTS = st.sampled_from(["::", "##[", "error", " ", "é", "%0A", *STEERING])
TEXTS = st.one_of(st.text(), st.lists(PARTS).map("".join))


@given(TEXTS)
def test_no_line_is_a_command_or_moves_the_cursor(text: str) -> None:
    shown = visible_lines(text)
    for line in shown.split("\n"):
        assert line.isprintable()
        assert not line.strip().startswith("::")
        assert "##[" not in line
    assert shown.count("\n") == text.count("\n")


@given(st.lists(st.text(st.characters(categories=["L", "N", "P"]))).map(" ".join))
def test_plain_text_stays_as_it_is(text: str) -> None:
    if "::" not in text and "##[" not in text:
        assert visible_lines(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("::error::forged", "\\x3a:error::forged"),
        ("fine\n \t::set-env name=PATH::x", "fine\n    \\x3a:set-env name=PATH::x"),
        ("see ##[error]x", "see \\x23#[error]x"),
        ("a::b", "a::b"),
        ("a\rb\x1b[31m", "a\\rb\\x1b[31m"),
    ],
)
def test_what_is_shown(text: str, shown: str) -> None:
    assert visible_lines(text) == shown


def test_tokens_are_masked_where_nothing_names_them() -> None:
    assert redact_tokens("sent hf_Qx7Lp2Vn9Rt4Kw8Zb3Mc6Hd1") == "sent " + "*" * 27
    assert redact_tokens("password: plain") == "password: plain"
