"""Completions as a recipe with a ``thinking`` block has them: with the tags in the text, and the answer apart."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from transformers import PreTrainedTokenizerBase

from recipe_engine.data.thinking import Split, split
from recipe_engine.recipe.thinking import ThinkingBlock
from recipe_engine.runtime.answers import texts
from recipe_engine.runtime.rewards.context import RewardContext
from recipe_engine.runtime.rewards.text import Completions, text_of

NULL_TEXT = "[NULL]"
"""What a reward model is given in place of the answer that a malformed completion lacks."""

Completion = str | list[dict[str, Any]]
Restore = Callable[[Completions, Sequence[Sequence[int]] | None], Completions]


def with_tags(run: RewardContext, tokenizer: PreTrainedTokenizerBase | None) -> Restore:
    """A function that gives completions with their tags, which TRL leaves out where they are special tokens."""
    thinking = run.thinking
    if thinking is None or tokenizer is None:
        return lambda completions, ids: completions

    def restored(completions: Completions, ids: Sequence[Sequence[int]] | None) -> Completions:
        if ids is None:
            return completions
        return [with_text(one, text) for one, text in zip(completions, texts(thinking, tokenizer, ids), strict=True)]

    return restored


def splitter(thinking: ThinkingBlock) -> Callable[[Completion], Split]:
    """A function that tells the thought of a completion from its answer."""
    return lambda completion: split(thinking, text_of(completion), begun=thinking.begin_completion)


def with_text(completion: Completion, text: str) -> Completion:
    """The completion with another text: a string, or its last message with that content."""
    if isinstance(completion, str):
        return text
    return [{**(completion[-1] if completion else {"role": "assistant"}), "content": text}]
