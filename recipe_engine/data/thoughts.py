"""Thoughts of training rows: taken from their columns or messages, and rendered before the answers.

A row whose responses hold the tags already is taken as it is, once its tags are found to be in order.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from recipe_engine.data.cells import Row
from recipe_engine.data.errors import RowError
from recipe_engine.data.formats import COLUMNS as FORMAT_COLUMNS
from recipe_engine.data.formats import column_of
from recipe_engine.data.messages import THOUGHTS, Message
from recipe_engine.data.thinking import ThoughtError, begins_thought, fault, marks, render
from recipe_engine.recipe.data import DatasetEntry, RowFormat
from recipe_engine.recipe.thinking import ThinkingBlock

# The responses of a shape, and where a row may hold their thoughts: (key of the dataset's entry, default name).
COLUMNS = {
    "messages": ("thought_column", "thought"),
    "completion": ("thought_column", "thought"),
    "chosen": ("chosen_thought_column", "chosen_thought"),
    "rejected": ("rejected_thought_column", "rejected_thought"),
}


@dataclass(frozen=True, slots=True)
class _Place:
    """What an error calls a response and its thought, and what is known of them beforehand."""

    response: str
    thought: str
    required: bool
    """Whether there must be a thought."""
    begun: bool
    """Whether the prompt, a plain text, ends with the opening tag."""


def with_thoughts(
    made: Row, row: Row, entry: DatasetEntry, thinking: ThinkingBlock | None, found: RowFormat | None
) -> Row:
    """The row that a format has made (``found``, none for prompt templates), with the thoughts of the raw row rendered
    into its responses.

    Raises:
        RowError: a thought is missing or blank, a thought or an answer holds a tag, or tags are out of order.
    """
    if thinking is None:
        return made
    prompt = made.get("prompt")
    begun = isinstance(prompt, str) and begins_thought(thinking, prompt)
    for key, (setting, default) in COLUMNS.items():
        if key not in made:
            continue
        column = column_of(entry, setting, default)
        place = _Place(_column_of_response(entry, key, found), column, entry.thoughts == "required", begun)
        response, thought = made[key], row.get(column)
        if isinstance(thought, str) and not thought.strip() and not place.required:
            thought = None
        if isinstance(response, str):
            made[key] = _response(thinking, response, thought, place)
        else:
            made[key] = _conversation(thinking, response, thought, place)
    return made


def _column_of_response(entry: DatasetEntry, key: str, found: RowFormat | None) -> str:
    setting = f"{key}_column"
    needed = dict(FORMAT_COLUMNS[found]) if found is not None else {}
    return column_of(entry, setting, needed.get(setting, key))


def holds_thoughts(entry: DatasetEntry, row: Row) -> str | None:
    """The column, or the field of a message, in which a raw row holds a thought; none where it holds none."""
    for setting, default in COLUMNS.values():
        column = column_of(entry, setting, default)
        if isinstance(row.get(column), str):
            return column
    for column, value in row.items():
        for turn in value if isinstance(value, list) else ():
            if isinstance(turn, dict) and ("role" in turn or "from" in turn):
                field = next((name for name in THOUGHTS if turn.get(name)), None)
                if field is not None:
                    return f"{column}[].{field}"
    return None


def _conversation(thinking: ThinkingBlock, messages: list[Message], thought: Any, place: _Place) -> list[Message]:
    """Messages with their thoughts rendered. The row's column holds the thought of the last one of the assistant.

    Earlier ones need no thought: many templates leave it out of what came before.
    """
    spoken = [index for index, message in enumerate(messages) if message["role"] == "assistant"]
    done = list(messages)
    for index in spoken:
        last = index == spoken[-1]
        name = place.response if len(messages) == 1 else f"{place.response}[{index}]"
        here = replace(place, response=name, required=place.required and last)
        done[index] = _message(thinking, messages[index], thought if last else None, here)
    return done


def _message(thinking: ThinkingBlock, message: Message, thought: Any, place: _Place) -> Message:
    own = next((name for name in THOUGHTS if message.get(name)), None)
    plain = {name: value for name, value in message.items() if name not in THOUGHTS}
    if own is not None:
        if thought is not None:
            raise RowError(place.thought, f"holds a thought, and `{place.response}` another one, as {own}")
        thought, place = message[own], replace(place, thought=f"{place.response}.{own}")
    if "tool_calls" in message and not message["content"].strip():  # it acts, and answers nothing yet
        if thought is None:
            return plain
        return {**plain, "content": f"{thinking.open}{_text(thinking, thought, place.thought)}{thinking.close}"}
    return {**plain, "content": _response(thinking, message["content"], thought, place)}


def _response(thinking: ThinkingBlock, text: str, thought: Any, place: _Place) -> str:
    """One response with its thought. White space before the answer is dropped: what stands there is in the tags."""
    if thought is None:
        if place.begun or _tag_in(thinking, text) is not None:
            wrong = fault(thinking, text, begun=place.begun)
            if wrong is not None:
                raise RowError(place.response, wrong)
        elif place.required:
            raise RowError(place.response, f"has no thought: no tags in it, and none in the column `{place.thought}`")
        return text
    thought, answer = _text(thinking, thought, place.thought), text.lstrip()
    if place.begun:
        raise RowError("prompt", f"ends with the tag {thinking.open.strip()}, and `{place.thought}` holds the thought")
    found = _tag_in(thinking, answer)
    if found is not None:
        raise RowError(place.response, f"holds the tag {found}, and has a thought of its own in `{place.thought}`")
    try:
        return render(thinking, thought, answer)
    except ThoughtError as error:
        raise RowError(place.response, f"cannot be rendered: {error}") from error


def _text(thinking: ThinkingBlock, thought: Any, column: str) -> str:
    if not isinstance(thought, str):
        raise RowError(column, f"is {type(thought).__name__}, not text")
    if not thought.strip():
        raise RowError(column, "is empty")
    found = _tag_in(thinking, thought)
    if found is not None:
        raise RowError(column, f"holds the tag {found}")
    return thought


def _tag_in(thinking: ThinkingBlock, text: str) -> str | None:
    return next((tag for tag in marks(thinking) if tag in text), None)
