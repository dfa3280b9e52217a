"""Rows of preference: a prompt, a chosen and a rejected response, in the many ways in which datasets write them."""

from __future__ import annotations

from recipe_engine.data.cells import (
    RESPONDING,
    Prompt,
    Row,
    as_messages,
    continuation,
    prompt_of,
    response_of,
    template_arguments,
)
from recipe_engine.data.errors import RowError
from recipe_engine.data.formats import column_of
from recipe_engine.data.messages import Message, messages_of, with_system_column
from recipe_engine.recipe.data import DatasetEntry

SPEAKER = "\n\nAssistant:"
"""What stands before a response in written dialogues, such as those of Anthropic's hh-rlhf."""


def make_preference(entry: DatasetEntry, row: Row) -> Row:
    """Make the row; the prompt is its own column, the conversation before, or what both responses begin with.

    Raises:
        RowError: a part is missing, or the two responses leave no preference.
    """
    chosen_column = column_of(entry, "chosen_column", "chosen")
    rejected_column = column_of(entry, "rejected_column", "rejected")
    prompt = _prompt_before(entry, row)
    chosen = response_of(row.get(chosen_column), chosen_column)
    rejected = response_of(row.get(rejected_column), rejected_column)
    if isinstance(chosen, str) != isinstance(rejected, str):
        raise RowError(rejected_column, f"and `{chosen_column}` must both be text or both be messages")
    thoughts = [
        row.get(column_of(entry, f"{name}_thought_column", f"{name}_thought")) for name in ("chosen", "rejected")
    ]
    if chosen == rejected and thoughts[0] == thoughts[1]:
        raise RowError(rejected_column, f"is the same as `{chosen_column}`: there is no preference to learn")
    made: Row
    if isinstance(chosen, str) and isinstance(rejected, str) and not isinstance(prompt, list):
        made = {"prompt": prompt, "chosen": chosen, "rejected": rejected}
        if prompt is None:
            made = _split_text(chosen, rejected, chosen_column)
    elif prompt is None:
        made = _split_messages(as_messages(chosen, "assistant"), as_messages(rejected, "assistant"), chosen_column)
    else:
        made = {
            "prompt": as_messages(prompt, "user"),
            "chosen": continuation(chosen, prompt, chosen_column),
            "rejected": continuation(rejected, prompt, rejected_column),
        }
    return {**made, **template_arguments(row)}


def _prompt_before(entry: DatasetEntry, row: Row) -> Prompt | None:
    """The prompt, where it has a column of its own or is the conversation so far."""
    column = column_of(entry, "prompt_column", "prompt")
    context = column_of(entry, "messages_column", "conversations" if "conversations" in row else "messages")
    if row.get(column) is not None or entry.prompt_column:
        return prompt_of(row.get(column), column)
    if row.get(context) is not None:
        return with_system_column(messages_of(row[context], context), row)
    return None


def _split_text(chosen: str, rejected: str, column: str) -> Row:
    """Take what both texts begin with as the prompt: up to the last speaker, else to a space, not into a word."""
    shared = _shared(chosen, rejected)
    head = chosen[:shared]
    turn = head.rfind(SPEAKER)
    cut = turn + len(SPEAKER) if turn >= 0 else max(head.rfind(" "), head.rfind("\n"), 0)
    prompt, chosen, rejected = chosen[:cut], chosen[cut:], rejected[cut:]
    if not prompt.strip():
        raise _nothing_shared(column)
    if not chosen.strip() or not rejected.strip():
        raise RowError(column, "and the rejected one leave one response empty: one begins with all of the other")
    return {"prompt": prompt, "chosen": chosen, "rejected": rejected}


def _split_messages(chosen: list[Message], rejected: list[Message], column: str) -> Row:
    """Take the messages that both conversations begin with as the prompt."""
    shared = _shared(chosen, rejected)
    if shared == 0:
        raise _nothing_shared(column)
    if shared == min(len(chosen), len(rejected)):
        raise RowError(column, "and the rejected one leave one response empty: one begins with all of the other")
    for response in (chosen, rejected):
        if response[shared]["role"] not in RESPONDING:
            message = "and the rejected one part at a message of the role"
            raise RowError(column, f"{message} {response[shared]['role']}: they have no prompt in common")
    return {"prompt": chosen[:shared], "chosen": chosen[shared:], "rejected": rejected[shared:]}


def _shared(one: Prompt, other: Prompt) -> int:
    """How many leading characters, or messages, are the same."""
    return next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


def _nothing_shared(column: str) -> RowError:
    return RowError(column, "does not begin like the rejected one, and there is no prompt column")
