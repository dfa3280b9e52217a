"""Embedded datasets, one for every shape of row: made by code, the same on every machine, without a download."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from recipe_engine.data.builtin import shapes
from recipe_engine.data.builtin.world import Part, Question, questions

SPLITS = ("train", "test")


class UnknownBuiltinError(KeyError):
    """There is no embedded dataset of this name, or it has no such split. The message lists those there are."""

    def __str__(self) -> str:  # KeyError would print the message in quotation marks
        return str(self.args[0])


@dataclass(frozen=True, slots=True)
class _Dataset:
    description: str
    rows: Callable[[Sequence[Question]], list[dict[str, Any]]]
    train: Part = "taught"


_DATASETS = {
    "builtin/text": _Dataset("plain documents of three lines each, for continued pretraining", shapes.text),
    "builtin/conversations": _Dataset(
        "chat messages, one or two questions each, some with a system message", shapes.messages
    ),
    "builtin/completions": _Dataset("prompt and completion as plain text", shapes.prompt_completion),
    "builtin/alpaca": _Dataset("instruction, input and output", shapes.alpaca),
    "builtin/sharegpt": _Dataset("builtin/conversations in ShareGPT's from and value", shapes.sharegpt),
    "builtin/preferences": _Dataset("a prompt with a right and a wrong answer", shapes.preference),
    "builtin/preferences-implicit": _Dataset(
        "a right and a wrong conversation, whose common beginning is the prompt", shapes.preference_implicit
    ),
    "builtin/thoughts": _Dataset("chat questions with a short thought before each answer", shapes.thought_response),
    "builtin/unpaired": _Dataset("a prompt with one answer and a label that says whether it is right", shapes.unpaired),
    "builtin/stepwise": _Dataset("solutions of three steps, and for each step whether it is right", shapes.stepwise),
    "builtin/step-labels": _Dataset(
        "builtin/stepwise as text with # at the end of each step, and the same text with + or - there",
        shapes.step_labels,
    ),
    "builtin/rankings": _Dataset(
        "two translations of digits, annotated with scores and an analysis, for ranking models", shapes.rankings
    ),
    "builtin/questions": _Dataset(
        "prompts with their one-digit answer, for reinforcement learning; none is in another dataset's train split",
        shapes.prompt_only,
        train="asked",
    ),
}


def names() -> list[str]:
    """The embedded datasets, by the name that a recipe gives them."""
    return list(_DATASETS)


def describe(name: str) -> str:
    """What a dataset holds, in one line.

    Raises:
        UnknownBuiltinError: there is no such dataset.
    """
    return _dataset(name).description


def rows(name: str, split: str) -> list[dict[str, Any]]:
    """The rows of a split, ``train`` or ``test``, in a fixed order. The caller owns them.

    A question of a test split is in no train split, of this dataset or of another.

    Raises:
        UnknownBuiltinError: there is no such dataset or split.
    """
    dataset = _dataset(name)
    if split not in SPLITS:
        raise UnknownBuiltinError(f"{name} has no split {split!r}; its splits are {', '.join(SPLITS)}")
    return dataset.rows(questions(dataset.train if split == "train" else "test"))


def _dataset(name: str) -> _Dataset:
    if name not in _DATASETS:
        raise UnknownBuiltinError(f"there is no dataset {name!r}; the embedded ones are {', '.join(_DATASETS)}")
    return _DATASETS[name]
