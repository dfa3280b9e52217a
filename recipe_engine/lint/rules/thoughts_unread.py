"""L367 thoughts-unread (warning)

The dataset holds thoughts, and without a thinking block nothing renders them: the model would be trained on answers
alone. Where that is meant, say so with a comment, `# lint: allow L367`. To name a column of thoughts that nothing reads
is an error. `recipe lint --data` finds thoughts in the rows themselves. Fields of chat messages, such as
reasoning_content, are left to the chat template where there is no thinking block, and most templates ignore them.

Fails:
    data:
      datasets:
        - name: my/rows
          format: prompt_completion
          thought_column: reasoning
Fails:
    data:
      datasets:
        - name: my/rows
          format: thought_response
Passes:
    data:
      datasets:
        - name: my/rows
          format: thought_response
    thinking:
      open: <think>
"""

from __future__ import annotations

from collections.abc import Iterator

from recipe_engine.lint.rows import entries
from recipe_engine.lint.rule import Context, Finding

COLUMNS = ("thought_column", "chosen_thought_column", "rejected_thought_column")
HINT = "add a thinking block that says how thoughts are marked: thinking: {open: <think>, close: </think>}"


def check(context: Context) -> Iterator[Finding]:
    if context.recipe.thinking is not None:
        return
    for path, entry in entries(context):
        named = [name for name in COLUMNS if getattr(entry, name) is not None]
        for name in named:
            message = "names a column of thoughts, and there is no thinking block to render them"
            yield Finding((*path, name), f"{name} {message}", hint=HINT, severity="error")
        if entry.format == "thought_response" and not named:
            yield Finding((*path, "format"), "the thoughts of these rows are read by nothing", hint=HINT)
