from __future__ import annotations

from typing import Any

import pytest

from recipe_engine.data.errors import RowError
from recipe_engine.data.messages import is_conversation, messages_of, with_system_column


@pytest.mark.parametrize(
    ("spoken", "role"),
    [("human", "user"), ("gpt", "assistant"), ("model", "assistant"), ("observation", "tool"), ("system", "system")],
)
def test_the_spellings_of_sharegpt_become_roles(spoken: str, role: str) -> None:
    assert messages_of([{"from": spoken, "value": "hi"}], "c") == [{"role": role, "content": "hi"}]


def test_what_chat_templates_read_beside_the_content_is_kept_and_nulls_are_not() -> None:
    calls = [{"type": "function", "function": {"name": "f", "arguments": {}}}]
    turn = {"role": "assistant", "content": None, "tool_calls": calls, "name": None, "weight": 0}
    assert messages_of([turn], "c") == [{"role": "assistant", "content": "", "tool_calls": calls}]


def test_one_message_may_stand_alone() -> None:
    assert messages_of({"role": "user", "content": "hi"}, "c") == [{"role": "user", "content": "hi"}]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("hi", "column `c` must be a list of messages, not str"),
        ([], "column `c` must be a list of messages, not empty"),
        (None, "column `c` must be a list of messages, not empty"),
        (["hi"], "column `c[0]` must be a message, not str"),
        ([{"content": "hi"}], "column `c[0]` has the role None"),
        ([{"role": "user", "content": "a"}, {"role": "narrator", "content": "b"}], "column `c[1]` has the role"),
        ([{"role": "user"}], "column `c[0]` has NoneType as its content"),
        ([{"role": "user", "content": [{"type": "image"}]}], "column `c[0]` has list as its content; only text"),
        ([{"role": ["user"], "content": "a"}], "column `c[0]` has the role"),
        ([{"role": "user", "content": "\ud800"}], "column `c[0]` holds half of a surrogate pair at character 1"),
    ],
)
def test_what_is_no_conversation_is_named(value: Any, message: str) -> None:
    with pytest.raises(RowError) as caught:
        messages_of(value, "c")
    assert caught.value.message.startswith(message)


@pytest.mark.parametrize(("value", "expected"), [("hi", False), ([], False), (["a"], False), ([{}], True), ({}, True)])
def test_messages_are_told_from_text(value: Any, expected: bool) -> None:
    assert is_conversation(value) is expected


def test_a_system_column_begins_a_conversation_that_has_no_system_message() -> None:
    asked, told = [{"role": "user", "content": "hi"}], [{"role": "system", "content": "own"}]
    assert with_system_column(asked, {"system": "be brief"}) == [{"role": "system", "content": "be brief"}, *asked]
    assert with_system_column(asked, {"system": " "}) == asked
    assert with_system_column([*told, *asked], {"system": "be brief"}) == [*told, *asked]
