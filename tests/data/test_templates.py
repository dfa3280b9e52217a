from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recipe_engine.data.errors import RowError
from recipe_engine.data.templates import placeholders, render


def test_columns_are_named_in_order_and_once() -> None:
    assert placeholders("{b} {a} {b} {{c}}") == ("b", "a")


@pytest.mark.parametrize("template", ["{", "}", "{}", "{0}", "{a.b}", "{a[0]}", "{a!r}", "{a:>5}", "{a:{b}}"])
def test_more_than_a_column_in_braces_is_refused(template: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        placeholders(template)


def test_values_are_put_in_as_they_stand() -> None:
    row = {"a": "{b} {{x}}", "n": 3, "yes": True, "a column": "spaced"}
    assert render("{a}|{n}|{yes}|{a column}|{{literal}}", row) == "{b} {{x}}|3|True|spaced|{literal}"


@pytest.mark.parametrize("row", [{}, {"a": None}])
def test_a_value_that_is_not_there_is_an_error_with_the_column(row: dict[str, None]) -> None:
    with pytest.raises(RowError, match="column `a` is missing"):
        render("{a}", row)


@given(st.text(), st.text())
def test_any_text_survives_when_its_braces_are_doubled(before: str, value: str) -> None:
    template = before.replace("{", "{{").replace("}", "}}") + "{a}"
    assert render(template, {"a": value}) == before + value
