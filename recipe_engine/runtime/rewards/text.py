"""Completions as rewards see them."""

from __future__ import annotations

from collections.abc import Sequence

Completions = Sequence[str | list[dict[str, str]]]
"""Plain strings, or (for chat prompts) lists of messages."""


def text_of(completion: str | list[dict[str, str]]) -> str:
    """The generated text of a completion."""
    if isinstance(completion, str):
        return completion
    return "".join(message.get("content") or "" for message in completion)
