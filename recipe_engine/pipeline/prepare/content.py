"""What a row is about, as one text: what repeats of it have in common."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any

from recipe_engine.data.cells import Row, cell
from recipe_engine.data.messages import is_conversation


def digest(row: Row, columns: Sequence[str] | None = None, *, loosely: bool = True, salt: str = "") -> bytes:
    """A hash of 128 bits of what a row asks, or of ``columns``; ``loosely`` without case and runs of white space."""
    parts = [_text(cell(row, name)) for name in columns] if columns else [_asked(row)]
    text = "\x1f".join(parts)
    if loosely:
        text = " ".join(text.casefold().split())
    return hashlib.blake2b(f"{salt}\x1e{text}".encode(errors="surrogatepass"), digest_size=16).digest()


def _asked(row: Row) -> str:
    """The prompt of a row: of a conversation, what comes before the last answer."""
    if row.get("prompt") is not None:
        return _text(row["prompt"])
    conversation = row.get("messages")
    if conversation is None:
        conversation = row.get("conversations")
    if is_conversation(conversation) and isinstance(conversation, list):
        last = conversation[-1]
        answered = (last.get("role") or last.get("from")) in {"assistant", "gpt", "model"}
        return _text(conversation[:-1] if answered else conversation)
    for name in ("instruction", "text"):
        if isinstance(row.get(name), str):
            given = row.get("input")
            return f"{row[name]}\n{given}" if name == "instruction" and given else str(row[name])
    return json.dumps(row, ensure_ascii=False, sort_keys=True, default=str)


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if is_conversation(value):
        turns = value if isinstance(value, list) else [value]
        return "\x1d".join(f"{_role(turn)}\x1c{turn.get('content', turn.get('value'))}" for turn in turns)
    return json.dumps(value, ensure_ascii=False, sort_keys=True, default=str)


def _role(turn: Row) -> str:
    role = turn.get("role", turn.get("from"))
    return {"human": "user", "gpt": "assistant"}.get(str(role), str(role))
