"""The tokens of solutions whose steps are judged: process reward models are trained and read with these."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from transformers import PreTrainedTokenizerBase

from recipe_engine.data.errors import RowError
from recipe_engine.data.steps import StepTokens
from recipe_engine.runtime.errors import RunError
from recipe_engine.runtime.rendering import WHOLE, ids_of, rendered_of

Row = dict[str, Any]


def tokenize_steps(tokenizer: PreTrainedTokenizerBase, ids: StepIds, row: Row) -> Row:
    """A solution with the positions of its placeholders and what is right there, but for steps without a label."""
    targets = row["targets"]
    input_ids = solution_ids(tokenizer, row)
    positions = [position for position, token in enumerate(input_ids) if token in ids.placeholders]
    if len(positions) != len(targets):
        message = f"has {len(targets)} placeholders, of which {len(positions)} are tokens of their own"
        raise RowError(_column(row), f"{message}: another word must not touch them")
    labelled = [(position, target) for position, target in zip(positions, targets, strict=True) if target]
    return {
        "input_ids": input_ids,
        "positions": [position for position, _ in labelled],
        "targets": [target for _, target in labelled],
    }


def solution_ids(tokenizer: PreTrainedTokenizerBase, row: Row) -> list[int]:
    """The ids of a solution: of its ``text``, or of its ``prompt`` and ``completion``, both texts or both messages.

    Raises:
        RowError: the chat template refuses the messages.
        RunError: they are messages, and the tokenizer has no chat template.
    """
    if "text" in row:
        return ids_of(tokenizer, row["text"])
    solution = row["prompt"] + row["completion"]
    if isinstance(solution, str):
        return ids_of(tokenizer, solution)
    return rendered_of(tokenizer, solution, row, WHOLE)["input_ids"]


@dataclass(frozen=True, slots=True)
class StepIds:
    """The ids of step tokens. A placeholder may have another id after a space."""

    placeholders: frozenset[int]
    rewards: tuple[int, ...]


def step_ids(tokenizer: PreTrainedTokenizerBase, steps: StepTokens, where: str = "training.") -> StepIds:
    """The ids of the tokens that mark and judge steps. ``where`` is written before the names of settings in errors.

    Raises:
        RunError: one of them is several tokens, or two judgements are the same token.
    """
    placeholder = _one_id(tokenizer, f"{where}placeholder_token", steps.placeholder)
    spaced = _plain_ids(tokenizer, f" {steps.placeholder}")
    rewards = tuple(_one_id(tokenizer, f"{where}reward_tokens", token) for token in steps.rewards)
    if len(set(rewards)) < len(rewards):
        raise RunError(f"{where}reward_tokens: two of {', '.join(steps.rewards)} are the same token")
    return StepIds(frozenset({placeholder, *(spaced if len(spaced) == 1 else [])}), rewards)


def _one_id(tokenizer: PreTrainedTokenizerBase, setting: str, token: str) -> int:
    ids = _plain_ids(tokenizer, token)
    if len(ids) != 1:
        raise RunError(
            f"{setting}: {token!r} is {len(ids)} tokens of this vocabulary, and must be one",
            hint="name one that the vocabulary has, such as a reserved special token; none is added to it",
        )
    return ids[0]


def _plain_ids(tokenizer: PreTrainedTokenizerBase, text: str) -> list[int]:
    ids: list[int] = tokenizer.encode(text, add_special_tokens=False)
    return ids


def _column(row: Row) -> str:
    if "text" in row:
        return "input"
    return "completions" if isinstance(row["prompt"], str) else "messages"
