"""L353 assistant-loss-needs-chat (error)

``assistant_only_loss`` trains on the assistant's messages alone, so rows must be conversations, and the chat template
must mark what the assistant says: ``{% generation %} ... {% endgeneration %}``.

Fails:
    data:
      datasets:
        - name: my/corpus
          format: text
    training:
      algorithm: sft
      assistant_only_loss: true
Fails:
    # beside: template.jinja {% for message in messages %}{{ message['content'] }}{% endfor %}
    model:
      chat_template: template.jinja
    data:
      datasets:
        - name: my/chats
          format: messages
    training:
      algorithm: sft
      assistant_only_loss: true
Passes:
    data:
      datasets:
        - name: my/chats
          format: messages
    training:
      algorithm: sft
      assistant_only_loss: true
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from recipe_engine.lint.rows import are_plain_text, template_file
from recipe_engine.lint.rule import Context, Finding

MARKER = re.compile(r"\{%-?\s*generation\s*-?%\}")


def check(context: Context) -> Iterator[Finding]:
    if "text" not in context.algorithm.shapes or not context.argument("assistant_only_loss"):
        return
    if are_plain_text(context):
        yield Finding(
            ("training", "assistant_only_loss"),
            "assistant_only_loss needs conversations, and the rows are plain text",
            hint="remove it; for chat rows name their format: messages, sharegpt or alpaca",
        )
    template = template_file(context)
    if template is not None and not MARKER.search(template):
        yield Finding(
            ("model", "chat_template"),
            "the template does not mark the assistant's tokens, which assistant_only_loss needs",
            hint="put {% generation %} and {% endgeneration %} around what the assistant says",
        )
