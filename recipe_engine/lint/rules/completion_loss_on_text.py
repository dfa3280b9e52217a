"""L357 completion-loss-on-text (error)

``completion_only_loss`` tells a prompt from its completion. Plain text has neither, and a conversation is one
sequence whose assistant messages ``assistant_only_loss`` picks out: there the setting would be ignored, and every
token trained.

Fails:
    data:
      datasets:
        - name: my/corpus
          format: text
    training:
      algorithm: sft
      completion_only_loss: true
Passes:
    data:
      datasets:
        - name: my/pairs
          format: prompt_completion
    training:
      algorithm: sft
      completion_only_loss: true
"""

from __future__ import annotations

from collections.abc import Iterator

from recipe_engine.lint.rows import are_plain_text, made_by_templates
from recipe_engine.lint.rule import Context, Finding

WHOLE = frozenset({"text", "messages", "sharegpt"})


def check(context: Context) -> Iterator[Finding]:
    if "text" not in context.algorithm.shapes or not context.argument("completion_only_loss"):
        return
    path = ("training", "completion_only_loss")
    if are_plain_text(context):
        yield Finding(path, "completion_only_loss needs a completion, and the rows are plain text", hint="remove it")
    elif not made_by_templates(context) and all(entry.format in WHOLE for entry in context.recipe.data.datasets):
        message = "completion_only_loss has no effect on conversations, which are one sequence"
        yield Finding(path, message, hint="write assistant_only_loss: true")
