"""Answers that are each good or bad: a prompt, a completion and a boolean label."""

from __future__ import annotations

import math
from typing import Any

from recipe_engine.data.cells import RESPONDING, Row
from recipe_engine.data.errors import DataError, RowError
from recipe_engine.data.formats import column_of
from recipe_engine.recipe.data import DatasetEntry


def unpaired(entry: DatasetEntry, row: Row, made: Row) -> Row:
    """A labelled row of what a format has made: a prompt with its completion, or a whole conversation.

    Raises:
        RowError: the label is missing or no label, or the conversation does not end with an answer to something.
        DataError: the label is a score, and nothing says from which score on an answer is good (D415).
    """
    column = column_of(entry, "label_column", "label")
    label = label_of(row.get(column), column, entry.label_threshold)
    if "messages" not in made:
        return {**made, "label": label}
    messages = made.pop("messages")
    if messages[-1]["role"] != "assistant":
        raise RowError("messages", f"ends with the role {messages[-1]['role']}, not with the answer that is labelled")
    end = len(messages) - 1
    while end > 0 and messages[end - 1]["role"] in RESPONDING:  # an answer may be several messages, with tool calls
        end -= 1
    if all(message["role"] in {"system", "developer"} for message in messages[:end]):
        raise RowError("messages", "has no message that the answer is to")
    return {**made, "prompt": messages[:end], "completion": messages[end:], "label": label}


def label_of(value: Any, column: str, threshold: float | None) -> bool:
    """Whether an answer is good: its label, or its score held against the threshold.

    Raises:
        RowError: the value is neither.
        DataError: it is a score, and there is no threshold (D415).
    """
    if value is None:
        raise RowError(column, "is missing")
    if isinstance(value, bool):
        if threshold is not None:
            raise RowError(column, "is a boolean, and label_threshold is for scores")
        return value
    if not isinstance(value, int | float) or not math.isfinite(value):
        raise RowError(column, f"is {_shown(value)}, not true, false or a number")
    if threshold is not None:
        return value >= threshold
    if value in (0, 1):
        return bool(value)
    raise DataError(
        "D415",
        f"its column `{column}` holds scores such as {value}, and nothing says from which score on an answer is good",
        setting="label_column",
        hint="write label_threshold beside it: answers with that score or more are good ones, those below bad ones",
    )


def _shown(value: Any) -> str:
    return f"{value!r}" if isinstance(value, float) or (isinstance(value, str) and len(value) < 30) else "not a label"
