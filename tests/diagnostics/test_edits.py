from __future__ import annotations

import pytest

from recipe_engine.diagnostics import Edit, Fix, Span
from recipe_engine.diagnostics.edits import apply_fixes


def fix(*edits: tuple[tuple[int, int, int, int], str]) -> Fix:
    return Fix("mend", tuple(Edit(Span("a.yaml", *place), text) for place, text in edits))


def test_edits_are_applied_at_their_places() -> None:
    fixes = [fix(((1, 1, 1, 3), "learning_rate")), fix(((2, 7, 2, 9), "42"), ((2, 1, 2, 5), "data_seed"))]
    assert apply_fixes("lr: 1\nseed: 07\n", fixes) == ("learning_rate: 1\ndata_seed: 42\n", fixes)


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_line_breaks_stay_as_they_are_and_new_ones_match(newline: str) -> None:
    text = f"a: 1{newline}b: 2{newline}"
    after, _ = apply_fixes(text, [fix(((2, 1, 2, 1), "c: 3\n")), fix(((1, 4, 1, 5), "one"))])
    assert after == f"a: one{newline}c: 3{newline}b: 2{newline}"


def test_an_edit_may_span_lines_and_reach_the_end_of_the_text() -> None:
    assert apply_fixes("a: 1\nb: 2\nc", [fix(((1, 5, 2, 5), ""))]) == ("a: 1\nc", [fix(((1, 5, 2, 5), ""))])
    assert apply_fixes("a", [fix(((1, 2, 1, 2), ": 1"))])[0] == "a: 1"


@pytest.mark.parametrize(
    "second", [(1, 2, 1, 4), (1, 1, 1, 2), (1, 3, 1, 3), (1, 1, 1, 1), (1, 2, 1, 2), (1, 1, 1, 6)], ids=str
)
def test_of_two_fixes_that_meet_only_the_first_is_applied(second: tuple[int, int, int, int]) -> None:
    first = fix(((1, 1, 1, 3), "X"))
    assert apply_fixes("abcdef", [first, fix((second, "Y"))]) == ("Xcdef", [first])


def test_a_fix_is_applied_whole_or_not_at_all() -> None:
    first, second = fix(((1, 1, 1, 2), "X")), fix(((1, 1, 1, 3), "Y"), ((1, 5, 1, 6), "Z"))
    assert apply_fixes("abcdef", [first, second]) == ("Xbcdef", [first])


def test_two_findings_may_offer_the_same_edit() -> None:
    same = fix(((1, 1, 1, 2), "X"))
    assert apply_fixes("abc", [same, same]) == ("Xbc", [same, same])


def test_columns_count_characters() -> None:
    assert apply_fixes("é名😀: 1", [fix(((1, 3, 1, 4), "x"))])[0] == "é名x: 1"
