"""From a dataset's row to the row that is trained on: one of the shapes of ``recipe.data.RowShape``.

The same functions serve ``lint --data``, ``inspect`` and training, so what was checked is what is used.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

from recipe_engine.data.cells import Row, as_messages, text_of
from recipe_engine.data.errors import DataError, MissingColumnError, RowError
from recipe_engine.data.formats import find_format, shape_of
from recipe_engine.data.makers import MAKERS
from recipe_engine.data.messages import Message, is_conversation
from recipe_engine.data.templates import placeholders, render
from recipe_engine.data.thoughts import with_thoughts
from recipe_engine.recipe.data import DataBlock, DatasetEntry, RowFormat, RowShape
from recipe_engine.recipe.thinking import ThinkingBlock

TAKEN_BY_REWARDS = frozenset(
    {"prompts", "completion", "completions", "completion_ids", "trainer_state", "log_extra", "log_metric"}
    | {"environments", "image", "images"}
)
"""Arguments that TRL gives to reward functions itself, or columns by which it takes a run for one on images."""


@dataclass(frozen=True, slots=True)
class Converter:
    """How the rows of one dataset are read."""

    format: RowFormat | None
    """The format found; none where the prompt templates make the rows."""
    shape: RowShape
    convert: Callable[[Row], Row]
    """Raises ``RowError`` for a row that cannot be trained on."""
    unread_thoughts: str | None = None
    """Where the rows hold thoughts, if there is no ``thinking`` block that would render them."""


def converter_for(
    entry: DatasetEntry,
    data: DataBlock,
    shapes: Collection[RowShape],
    columns: Collection[str],
    thinking: ThinkingBlock | None = None,
) -> Converter:
    """The converter for a dataset whose rows have these columns; thoughts are rendered as ``thinking`` says.

    Raises:
        DataError: no format fits the columns, or a template names a column that is not there.
    """
    _demand_template_columns(entry, data, columns)
    allowed = entry.dataset_columns

    def visible(row: Row) -> Row:
        return row if allowed is None else {name: row.get(name) for name in allowed}

    if "prompt_completion" in shapes and data.user_prompt and data.assistant_prompt:
        return Converter(
            None,
            "prompt_completion",
            lambda row: with_thoughts(_from_templates(data, visible(row)), row, entry, thinking, None),
        )
    if "text" in shapes and entry.format in {None, "text"} and is_flat_template(data):
        return Converter(None, "text", lambda row: {"text": _rendered("system_prompt", data, visible(row))})
    found = find_format(entry, columns, shapes)
    shape = shape_of(found, shapes)
    if shape == "text":
        _demand_no_chat(data)
        _demand_no_thoughts(entry, thinking)
    if shape == "prompt":
        _demand_names_for_rewards(columns if allowed is None else [name for name in columns if name in allowed])
    make = MAKERS[found, shape]
    return Converter(
        found,
        shape,
        lambda row: with_thoughts(_with_templates(make(entry, row), data, visible(row)), row, entry, thinking, found),
    )


def is_flat_template(data: DataBlock) -> bool:
    """Whether ``system_prompt`` alone is the whole text of a row: it names columns, and no other template is there."""
    return bool(data.system_prompt and not data.user_prompt and placeholders(data.system_prompt))


def _demand_template_columns(entry: DatasetEntry, data: DataBlock, columns: Collection[str]) -> None:
    for key in ("system_prompt", "user_prompt", "assistant_prompt"):
        template = getattr(data, key)
        for name in placeholders(template) if template else ():
            if name not in columns:
                raise MissingColumnError(
                    "D407",
                    f"data.{key} names {{{name}}}, and there is no such column; the columns are {', '.join(columns)}",
                    setting=key,
                    hint="literal braces are doubled: {{ and }}",
                )


def _demand_no_chat(data: DataBlock) -> None:
    for key in ("system_prompt", "wrap_in_chat"):
        if getattr(data, key):
            message = f"its rows are plain text, and data.{key} needs rows with a prompt or messages"
            hint = (
                "a system_prompt with {column} placeholders makes the text itself" if key == "system_prompt" else None
            )
            raise DataError("D404", message, setting=key, hint=hint)


def _demand_no_thoughts(entry: DatasetEntry, thinking: ThinkingBlock | None) -> None:
    if thinking is not None and entry.thoughts == "required":
        message = "its rows are plain text, in which no thought is told from an answer, and there is a thinking block"
        hint = "name the columns of prompt, thought and completion; or take such rows as they stand: thoughts: optional"
        raise DataError("D404", message, setting="format", hint=hint)


def _demand_names_for_rewards(columns: Collection[str]) -> None:
    taken = [name for name in columns if name in TAKEN_BY_REWARDS]
    if taken:
        kept = ", ".join(name for name in columns if name not in TAKEN_BY_REWARDS)
        message = f"the column `{taken[0]}` has a name that rewards are given for something else"
        raise DataError("D404", message, setting="dataset_columns", hint=f"leave it out: dataset_columns: [{kept}]")


def _rendered(key: str, data: DataBlock, row: Row) -> str:
    return text_of(render(getattr(data, key), row), f"data.{key}")


def _from_templates(data: DataBlock, row: Row) -> Row:
    prompt: list[Message] = as_messages(_rendered("system_prompt", data, row), "system") if data.system_prompt else []
    prompt += as_messages(_rendered("user_prompt", data, row), "user")
    return {"prompt": prompt, "completion": as_messages(_rendered("assistant_prompt", data, row), "assistant")}


def _with_templates(made: Row, data: DataBlock, row: Row) -> Row:
    """Apply ``wrap_in_chat``, ``user_prompt`` and ``system_prompt`` to a row that a format has made."""
    if data.user_prompt and "prompt" in made:
        made["prompt"] = as_messages(_rendered("user_prompt", data, row), "user")
    if data.wrap_in_chat or data.system_prompt or is_conversation(made.get("prompt")):
        for key in ("prompt", "completion", "chosen", "rejected"):
            if key in made:
                made[key] = as_messages(made[key], "user" if key == "prompt" else "assistant")
    if data.system_prompt:
        key = "prompt" if "prompt" in made else "messages"
        if made[key][0]["role"] in {"system", "developer"}:
            raise RowError(key, "begins with a system message of its own, and data.system_prompt is set")
        made[key] = [*as_messages(_rendered("system_prompt", data, row), "system"), *made[key]]
    return made
