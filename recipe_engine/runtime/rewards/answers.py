"""Completions as a recipe with a ``thinking`` block has them: with the tags in the text, and the answer apart."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from transformers import PreTrainedTokenizerBase

from recipe_engine.compiled import CompiledRun
from recipe_engine.data.thinking import Split, split
from recipe_engine.recipe.thinking import ThinkingBlock
from recipe_engine.runtime.rewards.text import Completions, text_of

NULL_TEXT = "[NULL]"
"""What a reward model is given in place of the answer that a malformed completion lacks."""

Completion = str | list[dict[str, Any]]


def with_tags(
    run: CompiledRun, tokenizer: PreTrainedTokenizerBase | None
) -> Callable[[Completions, Sequence[Sequence[int]] | None], Completions]:
    """A function that puts tags back which decoding left out: those that are special tokens of the vocabulary.

    TRL decodes without special tokens. The end of the turn and padding stay out.
    """
    tags = _tags(run.thinking)
    special = set(tokenizer.all_special_tokens) if tokenizer is not None else set()
    if tokenizer is None or not special & set(tags):
        return lambda completions, ids: completions
    silent = {tokenizer.convert_tokens_to_ids(token) for token in special - set(tags)}

    def restored(completions: Completions, ids: Sequence[Sequence[int]] | None) -> Completions:
        if ids is None:
            return completions
        texts = [tokenizer.decode([i for i in one if i not in silent], skip_special_tokens=False) for one in ids]
        return [with_text(completion, text) for completion, text in zip(completions, texts, strict=True)]

    return restored


def splitter(thinking: ThinkingBlock) -> Callable[[Completion], Split]:
    """A function that tells the thought of a completion from its answer."""
    return lambda completion: split(thinking, text_of(completion), begun=thinking.begin_completion)


def with_text(completion: Completion, text: str) -> Completion:
    """The completion with another text: a string, or its last message with that content."""
    return text if isinstance(completion, str) else [{**completion[-1], "content": text}] if completion else completion


def well_formed(thinking: ThinkingBlock, text: str) -> bool:
    """Whether each tag is there once and in order, with a thought and an answer, and nothing between or after them."""
    begun = thinking.begin_completion
    found = split(thinking, text, begun=begun)
    if found.malformed or not (found.thought or "").strip() or not (found.answer or "").strip():
        return False
    if any(text.count(tag) != 1 for tag in _tags(thinking)[1:]) or text.count(thinking.open) > 1:
        return False
    if thinking.open in text and not text.lstrip().startswith(thinking.open):
        return False
    if thinking.answer_open and text.partition(thinking.close)[2].partition(thinking.answer_open)[0].strip():
        return False
    return not (thinking.answer_close and text.partition(thinking.answer_close)[2].strip())


def _tags(thinking: ThinkingBlock | None) -> list[str]:
    """The tags, the opening one first."""
    if thinking is None:
        return []
    return [tag for tag in (thinking.open, thinking.close, thinking.answer_open, thinking.answer_close) if tag]
