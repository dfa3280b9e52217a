"""Thoughts and answers: rendered into one text by the tags of the ``thinking`` block, and split again by them.

White space at the ends of a tag is written where the tag is written, but a tag is found without it: what a model writes
between its tags varies there. So ``<think>\\n`` as the opening tag renders as Qwen3's template does, and a completion
that leaves the line break out is split all the same.
"""

from __future__ import annotations

from dataclasses import dataclass

from recipe_engine.recipe.thinking import ThinkingBlock


class ThoughtError(ValueError):
    """A thought and an answer cannot be told apart again once they are one text. The message says why."""


@dataclass(frozen=True, slots=True)
class Split:
    """The two parts of a response.

    ``thought`` is none where no tag ends it. ``answer`` is none where the response is malformed and the block is
    strict. ``malformed`` says that the tag which begins the answer, or the one which ends it, is missing.
    """

    thought: str | None
    answer: str | None
    malformed: bool


def marks(thinking: ThinkingBlock) -> tuple[str, ...]:
    """The tags as they are looked for, in the order in which a response has them."""
    tags = (thinking.open, thinking.close, thinking.answer_open, thinking.answer_close)
    return tuple(tag.strip() for tag in tags if tag is not None)


def render(thinking: ThinkingBlock, thought: str, answer: str) -> str:
    """The response that holds a thought and an answer. ``split`` gives both back, character by character.

    Raises:
        ThoughtError: it would not: a part holds a tag, the answer begins with white space (which ``split`` takes for
            what stands between tag and answer), or a tag arises where a part and a tag meet.
    """
    for name, part in (("thought", thought), ("answer", answer)):
        for tag in marks(thinking):
            if tag in part:
                raise ThoughtError(f"the {name} holds the tag {tag}")
    if answer != answer.lstrip():
        raise ThoughtError("the answer begins with white space")
    body = f"{thought}{thinking.close}{thinking.answer_open or ''}{answer}{thinking.answer_close or ''}"
    text, whole = thinking.open + body, Split(thought, answer, malformed=False)
    once = all(text.count(tag) == 1 for tag in marks(thinking))
    if not once or split(thinking, text) != whole or split(thinking, body, begun=True) != whole:
        raise ThoughtError("the thought or the answer makes another tag together with the one beside it")
    return text


def split(thinking: ThinkingBlock, text: str, *, begun: bool = False) -> Split:
    """The thought and the answer of a response.

    The answer begins after the first tag that begins it (``answer_open``, else ``close``), without the white space on
    its left, and ends before the first ``answer_close`` after that. Where one of the two is absent the response is
    malformed: a strict block then sees no answer, a lenient one takes what there is. Whether the thought was opened
    does not matter here, since it may have been in the prompt; ``fault`` tells that too.

    Args:
        begun: the opening tag stood in the prompt, so the text begins inside the thought.
    """
    head, found, tail = text.partition((thinking.answer_open or thinking.close).strip())
    answer = tail.lstrip() if found else text
    malformed = not found
    if thinking.answer_close is not None:
        answer, ended, _ = answer.partition(thinking.answer_close.strip())
        malformed = malformed or not ended
        if ended:
            answer = answer.removesuffix(_left_space(thinking.answer_close))
    thought = _thought(thinking, head, begun) if found else None
    return Split(thought, None if malformed and thinking.strict else answer, malformed)


def fault(thinking: ThinkingBlock, text: str, *, begun: bool = False) -> str | None:
    """What keeps a response from having exactly the form that ``render`` gives it; none where it has.

    Each tag stands once, in order; the text begins with the opening one (unless it has ``begun`` in the prompt); the
    answer says something; only white space is between the tags, and after the last. White space in the tags is free.
    """
    wanted = marks(thinking)[1:] if begun else marks(thinking)
    for tag in marks(thinking):
        count = text.count(tag)
        if count != (tag in wanted):
            return f"holds the tag {tag} {count} times" if count else f"lacks the tag {tag}"
    places = [text.index(tag) for tag in wanted]
    if places != sorted(places):
        return f"has its tags out of order: {', '.join(wanted)}"
    if not begun and not text.lstrip().startswith(wanted[0]):
        return f"begins before the tag {wanted[0]}"
    rest = text.partition(thinking.close.strip())[2]
    if thinking.answer_open is not None:
        between, _, rest = rest.partition(thinking.answer_open.strip())
        if between.strip():
            return f"has text between the tags {thinking.close.strip()} and {thinking.answer_open.strip()}"
    if thinking.answer_close is not None:
        rest, _, after = rest.partition(thinking.answer_close.strip())
        if after.strip():
            return f"has text after the tag {thinking.answer_close.strip()}"
    return None if rest.strip() else "has no answer after its thought"


def begins_thought(thinking: ThinkingBlock, prompt: str) -> bool:
    """Whether a prompt ends with the opening tag, so that what follows is a thought."""
    return prompt.rstrip().endswith(thinking.open.strip())


def _thought(thinking: ThinkingBlock, head: str, begun: bool) -> str:
    """The thought in what stands before the answer."""
    thought, closed, _ = head.partition(thinking.close.strip())
    opening = thinking.open.strip()
    if thought.lstrip().startswith(opening):  # also a model that repeats the tag which stood in its prompt
        thought = thought.lstrip().removeprefix(opening).removeprefix(_right_space(thinking.open))
    if closed or thinking.answer_open is None:
        thought = thought.removesuffix(_left_space(thinking.close))
    return thought


def _left_space(tag: str) -> str:
    return tag[: len(tag) - len(tag.lstrip())]


def _right_space(tag: str) -> str:
    return tag[len(tag.rstrip()) :]
