"""Solutions whose steps are labelled, for process reward models: where a step ends and how good it is.

Two forms are read. A prompt with a list of steps and a list of labels (``stepwise``); and a text that has a placeholder
at the end of each step (``step_labels``), with a list of labels, or with the same text again that has a judgement in
place of each placeholder, as Math-Shepherd has it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from recipe_engine.data.cells import Prompt, Row, as_messages, prompt_of, text_of
from recipe_engine.data.errors import RowError
from recipe_engine.data.formats import column_of
from recipe_engine.recipe.data import DatasetEntry

Target = list[float]
"""How likely each of the reward tokens is to be right, in their order; empty where a step is not labelled."""


@dataclass(frozen=True, slots=True)
class StepTokens:
    """What marks the end of a step, and the judgements that may stand there, the first of them good."""

    placeholder: str
    rewards: tuple[str, ...]


def step_tokens(settings: Mapping[str, Any]) -> StepTokens | None:
    """The step tokens among an algorithm's settings; none for an algorithm that judges no steps."""
    if "placeholder_token" not in settings:
        return None
    return StepTokens(settings["placeholder_token"], tuple(settings["reward_tokens"]))


def make_stepwise(entry: DatasetEntry, row: Row, tokens: StepTokens) -> Row:
    """Of a prompt and a list of steps: each step on a line that ends with the placeholder.

    Raises:
        RowError: a part is missing, or there are not as many labels as steps.
    """
    prompt_column = column_of(entry, "prompt_column", "prompt")
    steps_column = column_of(entry, "completion_column", "completions")
    prompt = prompt_of(row.get(prompt_column), prompt_column)
    steps = row.get(steps_column)
    if not isinstance(steps, list) or not steps:
        raise RowError(steps_column, "must be a list of steps, one text each")
    texts = [text_of(step, f"{steps_column}[{index}]") for index, step in enumerate(steps)]
    for index, text in enumerate(texts):
        if tokens.placeholder in text:
            raise RowError(f"{steps_column}[{index}]", f"holds the placeholder {tokens.placeholder!r} itself")
    targets = _targets(row, column_of(entry, "label_column", "labels"), len(texts), tokens)
    return {**solution_of(prompt, texts, tokens), "targets": targets}


def solution_of(prompt: Prompt, steps: Sequence[str], tokens: StepTokens) -> Row:
    """A prompt and what answers it: each step on a line that ends with a space and the placeholder."""
    said = "\n".join(f"{step.rstrip()} {tokens.placeholder}" for step in steps)
    if isinstance(prompt, str):
        return {"prompt": f"{prompt.rstrip()}\n", "completion": said}
    return {"prompt": prompt, "completion": as_messages(said, "assistant")}


def make_step_labels(entry: DatasetEntry, row: Row, tokens: StepTokens) -> Row:
    """Of a text with placeholders and its labels.

    Raises:
        RowError: a part is missing, there is no placeholder, or the labels do not fit the text.
    """
    text_column = column_of(entry, "prompt_column", "input")
    label_column = column_of(entry, "label_column", "label")
    text = text_of(row.get(text_column), text_column)
    steps = text.count(tokens.placeholder)
    if steps == 0:
        raise RowError(text_column, f"holds no placeholder {tokens.placeholder!r}")
    label = row.get(label_column)
    if isinstance(label, str):
        read = _aligned(text, label, label_column, tokens)
        return {"text": text, "targets": [_target(token, label_column, tokens) for token in read]}
    return {"text": text, "targets": _targets(row, label_column, steps, tokens)}


def _aligned(text: str, label: str, column: str, tokens: StepTokens) -> list[str]:
    """The judgements that stand in ``label`` where ``text`` has its placeholders."""
    parts, found, place = text.split(tokens.placeholder), [], 0
    for number, part in enumerate(parts):
        if not label.startswith(part, place):
            raise RowError(column, f"is not the text with a judgement for each placeholder: they part {_at(number)}")
        place += len(part)
        if number == len(parts) - 1:
            break
        token = next((token for token in tokens.rewards if label.startswith(token, place)), None)
        if token is None:
            listed = ", ".join(tokens.rewards)
            raise RowError(column, f"has none of {listed} where the text has placeholder {number + 1}")
        found.append(token)
        place += len(token)
    if label[place:].strip():
        raise RowError(column, "goes on where the text ends")
    return found


def _at(number: int) -> str:
    return "at the start" if number == 0 else f"after placeholder {number}"


def _targets(row: Row, column: str, steps: int, tokens: StepTokens) -> list[Target]:
    labels = row.get(column)
    if not isinstance(labels, Sequence) or isinstance(labels, str):
        raise RowError(column, "is missing" if labels is None else "must be a list, with a label for each step")
    if len(labels) != steps:
        raise RowError(column, f"has {len(labels)} labels, and there are {steps} steps")
    targets = [_target(label, f"{column}[{index}]", tokens) for index, label in enumerate(labels)]
    if not any(targets):
        raise RowError(column, "has no label: every one of them is null")
    return targets


def _target(label: Any, column: str, tokens: StepTokens) -> Target:
    """The target of one step: a judgement by name, a boolean, or the probability that the step is good."""
    if label is None:
        return []
    if isinstance(label, str):
        if label.strip() not in tokens.rewards:
            raise RowError(column, f"is {label!r}; reward_tokens are {', '.join(tokens.rewards)}")
        return [float(token == label.strip()) for token in tokens.rewards]
    if not isinstance(label, bool | int | float):
        raise RowError(column, f"is {type(label).__name__}, not a reward token, a boolean or a probability")
    if len(tokens.rewards) != 2:
        raise RowError(column, f"is {label}: with {len(tokens.rewards)} reward_tokens, labels must be their names")
    if not (math.isfinite(label) and 0 <= label <= 1):
        raise RowError(column, f"is {label}; the probability that a step is good is from 0 to 1")
    return [float(label), 1.0 - float(label)]
