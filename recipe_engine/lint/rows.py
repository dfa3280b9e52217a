"""What a recipe says of its rows, before any of them is read."""

from __future__ import annotations

import os
from collections.abc import Iterator

from recipe_engine.data.templates import placeholders
from recipe_engine.lint.rule import Context
from recipe_engine.recipe.data import DatasetEntry
from recipe_engine.source import Path

TEMPLATES = ("system_prompt", "user_prompt", "assistant_prompt")
CHAT_FORMATS = frozenset({"messages", "sharegpt", "alpaca", "thought_response"})
"""Formats whose rows are always conversations; those of prompt, prompt_completion and preference may be."""


def entries(context: Context) -> Iterator[tuple[Path, DatasetEntry]]:
    """Every dataset of the recipe with its path, those for evaluation last."""
    for key in ("datasets", "eval_datasets"):
        for index, entry in enumerate(getattr(context.recipe.data, key)):
            yield ("data", key, index), entry


def columns_named(template: str | None) -> tuple[str, ...]:
    """The columns that a template names; none where it is malformed, which is a finding of its own (L347)."""
    try:
        return placeholders(template or "")
    except ValueError:
        return ()


def made_by_templates(context: Context) -> bool:
    """Whether the prompt templates alone make the rows, whatever format the datasets have."""
    data, shapes = context.recipe.data, context.algorithm.shapes
    both_sides = "prompt_completion" in shapes and bool(data.user_prompt and data.assistant_prompt)
    return both_sides or made_of_one_text(context)


def made_of_one_text(context: Context) -> bool:
    """Whether ``system_prompt`` alone is the whole text of a row."""
    data = context.recipe.data
    return "text" in context.algorithm.shapes and not data.user_prompt and bool(columns_named(data.system_prompt))


def are_plain_text(context: Context) -> bool:
    """Whether the rows are certain to be plain text, without prompt, completion or messages."""
    if context.algorithm.shapes == ("text",) or made_of_one_text(context):
        return True
    data = context.recipe.data
    return not data.user_prompt and all(entry.format == "text" for entry in data.datasets)


def are_chat(context: Context) -> bool:
    """Whether some rows are certain to be rendered with a chat template."""
    if context.algorithm.shapes == ("text",) or made_of_one_text(context):
        return False
    data = context.recipe.data
    by_templates = bool(data.system_prompt or data.user_prompt or data.wrap_in_chat)
    return by_templates or any(entry.format in CHAT_FORMATS for entry in data.datasets)


def template_file(context: Context) -> str | None:
    """The text of the recipe's own chat template; none where there is no such file yet, or it is no text."""
    name = context.recipe.model.chat_template
    if name is None or name == "chatml" or "\0" in name:
        return None
    path = os.path.join(context.folder, os.path.expanduser(name))
    if not os.path.isfile(path):
        return None
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except (OSError, UnicodeDecodeError):  # training says so, in words of its own
        return None
