"""OpenAI's chat completions as they are sent and answered, and as they are kept. Needs no torch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from recipe_engine.data.cells import Prompt, as_messages
from recipe_engine.data.messages import THOUGHTS
from recipe_engine.recipe.thinking import ThinkingBlock
from recipe_engine.runtime.generation.ledger import Key, entries
from recipe_engine.runtime.generation.requests import Answer, Completion, Refused, Request


def key_of(request: Request) -> Key:
    """What an answer is kept by."""
    return (request.prompt_id, request.sample_idx, request.attempt)


def messages_for(prompt: Prompt, thinking: ThinkingBlock | None) -> list[dict[str, Any]]:
    """What a service is sent: the prompt, begun with the instruction of the ``thinking`` block."""
    messages = [dict(message) for message in as_messages(prompt, "user")]
    instruction = None if thinking is None else thinking.instruction
    if instruction is None:
        return messages
    if messages[0]["role"] == "system":
        return [{**messages[0], "content": f"{instruction}\n\n{messages[0]['content']}"}, *messages[1:]]
    return [{"role": "system", "content": instruction}, *messages]


def answer_of(entry: dict[str, Any]) -> Answer:
    """A kept answer as engines give it."""
    if "refused" in entry:
        return Refused(entry["refused"])
    return Completion(entry["text"], entry["finish_reason"], entry["tokens"], entry.get("thought"))


def bill_of(ledger: Path) -> dict[str, float]:
    """What the answers in a file have cost, in requests, tokens and dollars."""
    counted: dict[str, float] = {}
    for entry in entries(ledger):
        for name in ("requests", "input_tokens", "output_tokens", "dollars", "without_usage"):
            if name in entry:
                counted[name] = counted.get(name, 0) + entry[name]
    return counted


def choices_in(answer: Any) -> list[dict[str, Any]]:
    """The completions of an answer.

    Raises:
        ValueError: it is no chat completion.
    """
    try:
        found = []
        for choice in answer["choices"]:
            message = choice["message"]
            thought = next((message[name] for name in THOUGHTS if isinstance(message.get(name), str)), None)
            text = message.get("content")
            if text is None and (thought is not None or choice.get("finish_reason") == "length"):
                text = ""  # cut inside its thought
            if not isinstance(text, str):
                raise ValueError("a choice without text")
            entry = {"text": _whole(text), "finish_reason": str(choice.get("finish_reason") or "stop")}
            found.append(entry if thought is None else {**entry, "thought": _whole(thought)})
    except (KeyError, IndexError, TypeError, AttributeError) as error:
        raise ValueError("no chat completion") from error
    if not found:
        raise ValueError("no choices")
    return found


def _whole(text: str) -> str:
    """A text without halves of surrogate pairs, which JSON may hold and no file can."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def usage_in(answer: Any) -> tuple[int, int] | None:
    """Tokens of the prompt and of all completions of an answer; none where it does not say."""
    usage = answer.get("usage")
    try:
        return int(usage["prompt_tokens"]), int(usage["completion_tokens"])
    except (KeyError, TypeError, ValueError):
        return None
