"""Thoughts and answers of completions, read from their token ids.

TRL gives rewards a text without special tokens, and a tag may be one. So ids are decoded here, special tokens and all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from transformers import PreTrainedTokenizerBase

from recipe_engine.data.thinking import Split, marks, split
from recipe_engine.recipe.thinking import ThinkingBlock


def answers(
    thinking: ThinkingBlock, tokenizer: PreTrainedTokenizerBase, completion_ids: Iterable[Sequence[int]]
) -> list[Split]:
    """Each completion split into its thought and its answer, as the block says.

    Args:
        completion_ids: token ids of the completions, of any lengths, without the prompt.
    """
    begun = thinking.begin_completion
    return [split(thinking, text, begun=begun) for text in texts(thinking, tokenizer, completion_ids)]


def answering(
    thinking: ThinkingBlock, tokenizer: PreTrainedTokenizerBase
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Makes a scorer of completions one of their answers. A malformed completion of a strict block answers nothing."""

    def of_answers(scorer: Callable[..., Any]) -> Callable[..., Any]:
        def score(completions: Sequence[Any], columns: Mapping[str, Sequence[Any]]) -> Any:
            found = answers(thinking, tokenizer, columns["completion_ids"])
            return scorer([one.answer or "" for one in found], columns)

        return score

    return of_answers


def texts(
    thinking: ThinkingBlock, tokenizer: PreTrainedTokenizerBase, completion_ids: Iterable[Sequence[int]]
) -> list[str]:
    """The completions as text with their special tokens, but for those at the end that are no tag: what ends a turn,
    and padding."""
    tags = set(marks(thinking))
    ending = {
        index
        for index, token in zip(tokenizer.all_special_ids, tokenizer.all_special_tokens, strict=True)
        if token not in tags
    }
    return [_decoded(tokenizer, list(ids), ending) for ids in completion_ids]


def _decoded(tokenizer: PreTrainedTokenizerBase, ids: list[int], ending: set[int]) -> str:
    while ids and ids[-1] in ending:
        ids.pop()
    return str(tokenizer.decode(ids, skip_special_tokens=False, clean_up_tokenization_spaces=False))
