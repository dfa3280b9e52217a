"""Steps that make conversations: for sft with their answers, for reinforcement learning without."""

from __future__ import annotations

from typing import Any

from recipe_engine.data.cells import Row, as_messages, text_of
from recipe_engine.data.errors import DataError, RowError
from recipe_engine.data.messages import Message, is_conversation, messages_of, system_of, with_system_column
from recipe_engine.data.rows import converter_for
from recipe_engine.data.thinking import ThoughtError, marks, render
from recipe_engine.pipeline.prepare.step import Apply, DroppedRow, StepContext
from recipe_engine.recipe.data import DataBlock, DatasetEntry
from recipe_engine.recipe.stages.steps import MessagesStep, PromptCompletionStep, PromptsStep, ThoughtResponseStep

_PROMPT_COLUMNS = ("prompt", "messages", "conversation", "conversations", "instruction")


def messages(settings: MessagesStep, context: StepContext) -> Apply:
    """Chat messages, of rows in any form that sft reads. Rows of several forms may follow one another."""
    entry = DatasetEntry(name="rows", format=settings.format)
    data = DataBlock(datasets=[entry])
    converters: dict[tuple[str, ...], Any] = {}

    def apply(row: Row, number: int) -> list[Row]:
        columns = tuple(row)
        if columns not in converters:
            converters[columns] = converter_for(entry, data, {"messages", "prompt_completion"}, columns).convert
        made = converters[columns](row)
        if "messages" not in made:
            made = {"messages": as_messages(made["prompt"], "user") + as_messages(made["completion"], "assistant")}
        _demand_turns(made["messages"])
        return [{**(row if settings.keep_columns else {}), **made}]

    return apply


def _demand_turns(conversation: list[Message]) -> None:
    """Check that the user and the assistant take turns, beginning with the user and ending with the assistant.

    Raises:
        RowError: they do not, or a message says nothing.
    """
    before = None
    for index, message in enumerate(conversation):
        role = message["role"]
        if not message["content"].strip() and "tool_calls" not in message:
            raise RowError(f"messages[{index}]", "is empty")
        if role == "system" and index == 0:
            continue
        if role not in _FOLLOWERS[before]:
            after = "at the beginning" if before is None else f"after {before}"
            raise RowError(f"messages[{index}]", f"has the role {role} {after}; roles take turns")
        before = role
    if before != "assistant":
        raise RowError("messages", "ends with no answer of the assistant")


_FOLLOWERS = {None: {"user"}, "user": {"assistant"}, "assistant": {"user", "tool"}, "tool": {"assistant", "tool"}}


def thought_response(settings: ThoughtResponseStep, context: StepContext) -> Apply:
    """Sft rows with the thought in the answer, as the RLMT builds them (seed 000: one set of tags everywhere)."""
    thinking, seen = context.thinking, set[str]()
    if settings.thoughts and thinking is None:
        raise DataError("D404", "the step thought_response needs a `thinking` block, whose tags mark the thought")

    def apply(row: Row, number: int) -> list[Row]:
        for name in ("messages", "response", *(("thought",) if settings.thoughts else ())):
            if not row.get(name):
                raise DroppedRow(f"no {name}")
        question = messages_of(row["messages"], "messages")
        response, thought = text_of(row["response"], "response"), row.get("thought")
        tags = marks(thinking) if thinking is not None else ()
        texts = [*(message["content"] for message in question), response]
        if settings.thoughts:
            texts.append(text_of(thought, "thought"))
        if any(tag in text for text in texts for tag in tags):
            raise DroppedRow("a tag inside")
        identity = row.get("id")
        if identity is not None:
            if str(identity) in seen:
                raise DroppedRow("repeated id")
            seen.add(str(identity))
        answer = response.lstrip()
        if settings.thoughts and thinking is not None:
            try:
                answer = render(thinking, str(thought), answer)
            except ThoughtError as error:
                raise DroppedRow("a thought that cannot be told from its answer") from error
        kept: Row = {name: row[name] for name in ("id", "source") if name in row}
        return [{**kept, "messages": [*question, {"role": "assistant", "content": answer}]}]

    return apply


def prompt_completion(settings: PromptCompletionStep, context: StepContext) -> Apply:
    """The answer of a conversation, and what it answers."""

    def apply(row: Row, number: int) -> list[Row]:
        turns = with_system_column(messages_of(row.get(settings.column), settings.column), row)
        if turns[-1]["role"] != "assistant":
            raise DroppedRow("no answer")
        if len(turns) == 1:
            raise DroppedRow("no question")
        kept = {name: cell for name, cell in row.items() if name != settings.column}
        return [{**kept, "prompt": turns[:-1], "completion": turns[-1:]}]

    return apply


def prompts(settings: PromptsStep, context: StepContext) -> Apply:
    """Prompts as messages: an instruction, or a conversation up to the last turn of the user."""

    def apply(row: Row, number: int) -> list[Row]:
        column = settings.column or next((name for name in _PROMPT_COLUMNS if row.get(name) is not None), None)
        if column is None:
            raise RowError("prompt", f"is missing, and so are {', '.join(_PROMPT_COLUMNS[1:])}")
        value = row.get(column)
        if is_conversation(value):
            asked = with_system_column(messages_of(value, column), row)
            while asked and asked[-1]["role"] == "assistant":
                asked = asked[:-1]
            if not asked or asked[-1]["role"] == "system":
                raise DroppedRow("no question")
        else:
            text = text_of(value, column)
            given = row.get("input") if column == "instruction" else None
            text = f"{text}\n\n{given}" if isinstance(given, str) and given.strip() else text
            asked = [*system_of(row), {"role": "user", "content": text}]
        if settings.system is not None and asked[0]["role"] != "system":
            asked = [{"role": "system", "content": settings.system}, *asked]
        return [{**{name: cell for name, cell in row.items() if name != column}, "prompt": asked}]

    return apply
