"""Completions and prompts as rewards see them."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

Completions = Sequence[str | list[dict[str, Any]]]
"""Plain strings, or (for chat prompts) lists of messages."""

_FENCE = re.compile(r"^[ \t]*(`{3,}|~{3,})[ \t]*([\w+-]*)[^\n`]*\n(.*?)^[ \t]*\1[ \t]*$", re.DOTALL | re.MULTILINE)


def text_of(completion: str | list[dict[str, Any]]) -> str:
    """The generated text of a completion."""
    if isinstance(completion, str):
        return completion
    return "".join(message.get("content") or "" for message in completion)


def prompt_text(prompt: str | list[dict[str, Any]]) -> str:
    """A prompt as text: a single user message as it is, a conversation with its roles."""
    if isinstance(prompt, str):
        return prompt
    if len(prompt) == 1:
        return str(prompt[0].get("content") or "")
    return "\n\n".join(f"{message.get('role')}: {message.get('content') or ''}" for message in prompt)


def last_block(text: str, languages: Sequence[str]) -> str | None:
    """The last code block of one of the languages, ``""`` for a block without a language; none where there is none."""
    blocks = [found[3] for found in _FENCE.finditer(text) if found[2].lower() in languages]
    return blocks[-1] if blocks else None


def extractor(pattern: str | None) -> Callable[[str], str | None]:
    """A function that takes the first group of a pattern's last match in a text; without a pattern, the text."""
    if pattern is None:
        return lambda text: text
    expression = re.compile(pattern, re.DOTALL)

    def extract(text: str) -> str | None:
        found = list(expression.finditer(text))
        return found[-1].group(1) if found else None

    return extract
