"""Single values of a row: text, prompts, responses and what goes with them, each checked and named when it is wrong."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from recipe_engine.data.errors import RowError
from recipe_engine.data.messages import Message, is_conversation, messages_of

Row = dict[str, Any]
Prompt = str | list[Message]


class RepeatedRow(dict[str, Any]):
    """A row with the id of an earlier one."""


RESPONDING = frozenset({"assistant", "tool"})
"""Roles that a response may begin and end with."""


def cell(row: Mapping[str, Any], name: str) -> Any:
    """The value under ``name``: the column of that name, else ``a.b`` is the key ``b`` of column ``a``; else none.

    A column that holds a mapping as JSON text is read as one.
    """
    if name in row:
        return row[name]
    head, dot, rest = name.partition(".")
    if not dot:
        return None
    inner = row.get(head)
    if isinstance(inner, str):
        try:
            inner = json.loads(inner)
        except ValueError:
            return None
    return cell(inner, rest) if isinstance(inner, Mapping) else None


def text_of(value: Any, column: str) -> str:
    """A text that is there and not blank.

    Raises:
        RowError: it is not.
    """
    if not isinstance(value, str):
        raise RowError(column, "is missing" if value is None else f"is {type(value).__name__}, not text")
    if not value.strip():
        raise RowError(column, "is empty")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise RowError(column, f"holds half of a surrogate pair at character {error.start + 1}") from error
    return value


def prompt_of(value: Any, column: str) -> Prompt:
    """A prompt, as text or as messages.

    Raises:
        RowError: it is neither.
    """
    return messages_of(value, column) if is_conversation(value) else text_of(value, column)


def response_of(value: Any, column: str) -> Prompt:
    """A response, as text or as messages that end with the assistant's; they may begin with the prompt.

    Raises:
        RowError: it is neither, or says nothing.
    """
    if not is_conversation(value):
        return text_of(value, column)
    messages = messages_of(value, column)
    last = messages[-1]
    if last["role"] not in RESPONDING:
        raise RowError(column, f"ends with the role {last['role']}, not with the assistant's response")
    if not last["content"].strip() and "tool_calls" not in last:
        raise RowError(column, "ends with an empty message")
    return messages


def as_messages(value: Prompt, role: str) -> list[Message]:
    """Messages as they are, and text as one message of a role."""
    return [{"role": role, "content": value}] if isinstance(value, str) else value


def continuation(response: Prompt, prompt: Prompt, column: str) -> list[Message]:
    """A response to a chat prompt, without the prompt where the data repeats it.

    Raises:
        RowError: what is left does not begin with the assistant.
    """
    messages, before = as_messages(response, "assistant"), as_messages(prompt, "user")
    if messages[: len(before)] == before and len(messages) > len(before):
        messages = messages[len(before) :]
    if messages[0]["role"] not in RESPONDING:
        raise RowError(column, f"begins with the role {messages[0]['role']} and not with the messages of the prompt")
    return messages


def answer_of(row: Row, named: str | None) -> Row:
    """The reference answer, under the name that rewards know.

    Raises:
        RowError: the column is there or named, and holds nothing.
    """
    column = named or "answer"
    if column not in row and named is None:
        return {}
    if row.get(column) is None:
        raise RowError(column, "is missing")
    return {"answer": row[column]}


def template_arguments(row: Row) -> Row:
    """What a chat template is given beside the messages: ``tools`` and ``chat_template_kwargs``, as TRL reads them.

    Raises:
        RowError: the tools are not a list of objects, or the arguments no object.
    """
    arguments: Row = {}
    tools = row.get("tools")
    if isinstance(tools, str):
        try:
            tools = json.loads(tools) if tools.strip() else None
        except ValueError as error:
            raise RowError("tools", f"is no JSON: {error}") from error
    if tools:
        if not (isinstance(tools, list) and all(isinstance(tool, dict) for tool in tools)):
            raise RowError("tools", "must be a list of objects")
        arguments["tools"] = tools
    given = row.get("chat_template_kwargs")
    if given:
        if not isinstance(given, dict):
            raise RowError("chat_template_kwargs", f"is {type(given).__name__}, not an object")
        arguments["chat_template_kwargs"] = given
    return arguments
