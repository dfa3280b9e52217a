"""L364 thinking-tags-clash (error)

Two tags of the thinking block are the same, or one holds the other, or a tag is nothing but white space. Then no text
tells where the thought ends and the answer begins. White space at the ends of a tag does not tell tags apart: it is
written, but tags are found without it.

Fails:
    thinking:
      open: "**"
      close: "**"
Fails:
    thinking:
      close: </think>
      answer_open: </think><answer>
Fails:
    thinking:
      open: " "
Passes:
    thinking:
      open: <think>
      close: </think>
      answer_open: <response>
      answer_close: </response>
"""

from __future__ import annotations

from collections.abc import Iterator

from recipe_engine.lint.report import shown
from recipe_engine.lint.rule import Context, Finding

TAGS = ("open", "close", "answer_open", "answer_close")
HINT = "write tags that differ, such as <think> </think> <response> </response>"


def check(context: Context) -> Iterator[Finding]:
    thinking = context.recipe.thinking
    if thinking is None:
        return
    tags = [(name, tag.strip()) for name in TAGS if (tag := getattr(thinking, name)) is not None]
    for index, (name, tag) in enumerate(tags):
        path = ("thinking", name)
        if not tag:
            yield Finding(path, f"{name} is only white space, which no text is told by", hint=HINT)
            continue
        for other, earlier in tags[:index]:
            if earlier and (tag in earlier or earlier in tag):
                how = "are the same tag" if tag == earlier else f"hold one another: {shown(earlier)} and {shown(tag)}"
                at = path if context.given(*path) else ("thinking", other)
                yield Finding(at, f"{other} and {name} {how}", hint=HINT)
