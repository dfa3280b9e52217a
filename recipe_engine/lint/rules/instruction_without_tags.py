"""L369 instruction-without-tags (warning)

thinking.instruction tells a model that was never trained to think how to do it. Here it does not name the tag that ends
the thought, or the tags around the answer. The model cannot know them, so hardly any completion would be well formed.
The opening tag need not be named where completions begin after it.

Fails:
    data:
      datasets:
        - name: builtin/thoughts
    thinking:
      instruction: Think before you answer.
Passes:
    data:
      datasets:
        - name: builtin/thoughts
    thinking:
      instruction: Think first, between <think> and </think>, and give the answer after that.
"""

from __future__ import annotations

from collections.abc import Iterator

from recipe_engine.data.thinking import marks
from recipe_engine.lint.facts import enumerated
from recipe_engine.lint.rule import Context, Finding


def check(context: Context) -> Iterator[Finding]:
    thinking = context.recipe.thinking
    if thinking is None or thinking.instruction is None:
        return
    needed = marks(thinking)[1:] if thinking.begin_completion else marks(thinking)
    missing = [tag for tag in needed if tag not in thinking.instruction]
    if missing:
        message = f"the instruction does not name {enumerated(missing)}"
        yield Finding(("thinking", "instruction"), message, hint="tell the model which tags to write, and where")
