"""Chat messages, in the spellings that datasets use, as ``{"role", "content"}``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from recipe_engine.data.errors import RowError

Message = dict[str, Any]

ROLES = {
    "system": "system",
    "developer": "developer",
    "user": "user",
    "human": "user",
    "assistant": "assistant",
    "gpt": "assistant",
    "chatgpt": "assistant",
    "bot": "assistant",
    "model": "assistant",
    "tool": "tool",
    "function": "tool",
    "observation": "tool",
}
THOUGHTS = ("reasoning_content", "reasoning", "thinking", "thought")
"""Where a message may hold the thought before its content, in the spellings of datasets and servers."""
# What chat templates read of a message beside its role and content.
KEPT = ("tool_calls", "tool_call_id", "name", *THOUGHTS)


def messages_of(value: Any, column: str) -> list[Message]:
    """A non-empty conversation. One message may stand alone, as preference data often has it.

    Raises:
        RowError: the value is not a list of messages, or a message lacks a known role or its content.
    """
    turns = [value] if isinstance(value, dict) else value
    if not isinstance(turns, Sequence) or isinstance(turns, str) or not turns:
        raise RowError(column, f"must be a list of messages, not {type(value).__name__ if turns else 'empty'}")
    return [_message(turn, f"{column}[{index}]") for index, turn in enumerate(turns)]


def is_conversation(value: Any) -> bool:
    """Whether a value is meant as messages, not as text."""
    return isinstance(value, dict) or (isinstance(value, list) and bool(value) and isinstance(value[0], dict))


def system_of(row: dict[str, Any]) -> list[Message]:
    """The system message of a row that has a column of its own for it, as alpaca and sharegpt data may."""
    given = row.get("system")
    return [{"role": "system", "content": given}] if isinstance(given, str) and given.strip() else []


def with_system_column(messages: list[Message], row: dict[str, Any]) -> list[Message]:
    """A conversation, begun with the row's ``system`` column where it has no system message itself."""
    return messages if messages[0]["role"] == "system" else [*system_of(row), *messages]


def _message(turn: Any, column: str) -> Message:
    if not isinstance(turn, dict):
        raise RowError(column, f"must be a message, not {type(turn).__name__}")
    spoken = turn.get("role", turn.get("from"))
    role = ROLES.get(spoken) if isinstance(spoken, str) else None
    if role is None:
        raise RowError(column, f"has the role {spoken!r}; known roles: {', '.join(ROLES)}")
    content = turn.get("content", turn.get("value"))
    kept = {key: turn[key] for key in KEPT if turn.get(key) is not None}
    if content is None and "tool_calls" in kept:
        content = ""
    if not isinstance(content, str):
        raise RowError(column, f"has {type(content).__name__} as its content; only text can be trained on")
    try:
        content.encode()
    except UnicodeEncodeError as error:
        raise RowError(column, f"holds half of a surrogate pair at character {error.start + 1}") from error
    return {"role": role, "content": content, **kept}
