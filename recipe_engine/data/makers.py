"""Makers: how each format's rows become rows of a shape. A new format is a function here and a line in ``MAKERS``."""

from __future__ import annotations

from collections.abc import Callable

from recipe_engine.data.cells import (
    RepeatedRow,
    Row,
    answer_of,
    as_messages,
    continuation,
    prompt_of,
    response_of,
    template_arguments,
    text_of,
)
from recipe_engine.data.errors import RowError
from recipe_engine.data.formats import column_of
from recipe_engine.data.messages import Message, messages_of, system_of, with_system_column
from recipe_engine.data.preference import make_preference
from recipe_engine.recipe.data import DatasetEntry, RowFormat, RowShape


def _make_text(entry: DatasetEntry, row: Row) -> Row:
    column = column_of(entry, "text_column", "text")
    return {"text": text_of(row.get(column), column)}


def _make_messages(entry: DatasetEntry, row: Row) -> Row:
    column = column_of(entry, "messages_column", "conversations" if "conversations" in row else "messages")
    messages = with_system_column(messages_of(row.get(column), column), row)
    spoken = [message for message in messages if message["role"] == "assistant"]
    if not spoken:
        raise RowError(column, "has no assistant message, so nothing to train on")
    if not any(message["content"].strip() or "tool_calls" in message for message in spoken):
        raise RowError(column, "has no assistant message that says anything")
    return {"messages": messages, **template_arguments(row)}


def _make_prompt_from_messages(entry: DatasetEntry, row: Row) -> Row:
    column = column_of(entry, "messages_column", "messages")
    messages = with_system_column(messages_of(row.get(column), column), row)
    while messages and messages[-1]["role"] == "assistant":  # the reference answer is not part of the prompt
        messages = messages[:-1]
    if not messages or messages[-1]["role"] == "system":
        raise RowError(column, "has no message before the assistant's")
    return {**_for_rewards(entry, row, column), "prompt": messages, **answer_of(row, entry.answer_column)}


def _make_alpaca(entry: DatasetEntry, row: Row) -> Row:
    instruction_column = column_of(entry, "prompt_column", "instruction")
    output_column = column_of(entry, "completion_column", "output")
    instruction = text_of(row.get(instruction_column), instruction_column)
    given = row.get("input")
    if isinstance(given, str) and given.strip():
        instruction = f"{instruction}\n\n{given}"
    prompt: list[Message] = system_of(row)
    for turn in row.get("history") or ():  # pairs of [instruction, response], as LLaMA-Factory writes them
        if not (isinstance(turn, list | tuple) and len(turn) == 2):
            raise RowError("history", "must be a list of [instruction, response] pairs")
        prompt += as_messages(text_of(turn[0], "history"), "user")
        prompt += as_messages(text_of(turn[1], "history"), "assistant")
    answer = text_of(row.get(output_column), output_column)
    return {
        "prompt": [*prompt, {"role": "user", "content": instruction}],
        "completion": [{"role": "assistant", "content": answer}],
    }


def _make_prompt_completion(entry: DatasetEntry, row: Row) -> Row:
    prompt_column = column_of(entry, "prompt_column", "prompt")
    completion_column = column_of(entry, "completion_column", "completion")
    prompt = prompt_of(row.get(prompt_column), prompt_column)
    completion = response_of(row.get(completion_column), completion_column)
    if isinstance(prompt, str) and isinstance(completion, str):
        return {"prompt": prompt, "completion": completion}
    completion = continuation(completion, prompt, completion_column)
    return {"prompt": as_messages(prompt, "user"), "completion": completion, **template_arguments(row)}


def _make_thought_response(entry: DatasetEntry, row: Row) -> Row:
    """A conversation that ends with the user, and the response to it; the thought is put before it elsewhere."""
    prompt_column = column_of(entry, "messages_column", "messages")
    response_column = column_of(entry, "completion_column", "response")
    prompt = with_system_column(messages_of(row.get(prompt_column), prompt_column), row)
    if prompt[-1]["role"] != "user":
        raise RowError(prompt_column, f"ends with the role {prompt[-1]['role']}, not with the user's question")
    if "id" in row and row["id"] is None:
        raise RowError("id", "is missing")
    if isinstance(row, RepeatedRow):
        raise RowError("id", f"is {row['id']!r}, which an earlier row has")
    response = text_of(row.get(response_column), response_column)
    return {"prompt": prompt, "completion": as_messages(response, "assistant")}


def _make_prompt(entry: DatasetEntry, row: Row) -> Row:
    column = column_of(entry, "prompt_column", "prompt")
    prompt = prompt_of(row.get(column), column)
    return {**_for_rewards(entry, row, column), "prompt": prompt, **answer_of(row, entry.answer_column)}


def _for_rewards(entry: DatasetEntry, row: Row, prompt_column: str) -> Row:
    """The columns that rewards may read beside the prompt and the answer."""
    names = row if entry.dataset_columns is None else [name for name in entry.dataset_columns if name in row]
    return {name: row[name] for name in names if name != prompt_column}


MAKERS: dict[tuple[RowFormat, RowShape], Callable[[DatasetEntry, Row], Row]] = {
    ("text", "text"): _make_text,
    ("messages", "messages"): _make_messages,
    ("messages", "prompt"): _make_prompt_from_messages,
    ("sharegpt", "messages"): _make_messages,
    ("sharegpt", "preference"): make_preference,
    ("alpaca", "prompt_completion"): _make_alpaca,
    ("prompt_completion", "prompt_completion"): _make_prompt_completion,
    ("thought_response", "prompt_completion"): _make_thought_response,
    ("preference", "preference"): make_preference,
    ("prompt", "prompt"): _make_prompt,
}
