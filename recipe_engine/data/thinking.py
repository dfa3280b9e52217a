"""Thoughts and answers: rendered into one text by the tags of the ``thinking`` block, and split again by them."""

from __future__ import annotations

from dataclasses import dataclass

from recipe_engine.recipe.thinking import ThinkingBlock


@dataclass(frozen=True, slots=True)
class Split:
    """The two parts of a response. ``answer`` is none where the response is malformed and the block is strict."""

    thought: str | None
    answer: str | None
    malformed: bool


def render(thinking: ThinkingBlock, thought: str, answer: str) -> str:
    """The response that holds a thought and an answer."""
    return f"{thinking.open}{thought}{thinking.close}{thinking.answer_open or ''}{answer}{thinking.answer_close or ''}"


def split(thinking: ThinkingBlock, text: str, *, begun: bool = False) -> Split:
    """The thought and the answer of a response.

    The answer begins after the first delimiter that begins it, without the white space on its left, and ends before the
    first that ends it. Where one is absent the response is malformed: a strict block then sees no answer, a lenient one
    takes what there is.

    Args:
        begun: the opening tag stood in the prompt, so the text begins inside the thought.
    """
    begins = thinking.answer_open or thinking.close
    head, found, tail = text.partition(begins)
    answer = tail.lstrip() if found else text
    malformed = not found
    if thinking.answer_close is not None:
        answer, ended, _ = answer.partition(thinking.answer_close)
        malformed = malformed or not ended
    if not begun:
        malformed = malformed or not head.lstrip().startswith(thinking.open)
    thought = head.partition(thinking.close)[0].lstrip().removeprefix(thinking.open) if found else None
    return Split(thought, None if malformed and thinking.strict else answer, malformed)
