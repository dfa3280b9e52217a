"""A JSON list is read value by value, and gives what reading it whole gives."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recipe_engine.data import json_list
from recipe_engine.data.json_list import list_values

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(st.lists(VALUES), st.integers(1, 9), st.sampled_from([None, 1]))
def test_it_gives_what_reading_the_whole_gives(values: list[Any], chunk: int, indent: int | None) -> None:
    text = json.dumps(values, indent=indent, ensure_ascii=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_list, "CHUNK", chunk)
        assert list(list_values(io.StringIO(text + "\n"))) == values


@given(st.lists(VALUES, min_size=1), st.data())
def test_what_is_cut_off_is_an_error(values: list[Any], data: st.DataObject) -> None:
    text = json.dumps(values)
    cut = data.draw(st.integers(1, len(text) - 1))
    with pytest.raises(ValueError, match="row"):
        list(list_values(io.StringIO(text[:cut])))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{}", "a list begins with ["),
        ('[{"a": 1} {"a": 2}]', "after row 1, a comma"),
        ("[1, 2] 3", "after row 2, the list has ended"),
        ("[1,]", "row 2: Expecting value"),
        ("[,1]", "row 1: Expecting value"),
    ],
)
def test_an_error_names_the_row(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message.replace('[', chr(92) + '[')}"):
        list(list_values(io.StringIO(text)))


def test_memory_holds_a_part_of_a_long_list() -> None:
    read = 0

    class Counted(io.StringIO):
        def read(self, size: int | None = -1) -> str:
            nonlocal read
            block = super().read(size)
            read += len(block)
            return block

    stream = Counted("[" + ", ".join('{"a": 1}' for _ in range(500_000)) + "]")
    next(iter(list_values(stream)))
    assert read == json_list.CHUNK
