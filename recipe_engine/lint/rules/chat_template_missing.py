"""L440 chat-template-missing (error)

``model.chat_template`` is ``chatml`` or a file with a Jinja template, whose path counts from the recipe's folder.
Without the file training cannot start.

Fails:
    model:
      chat_template: template.jinja
Passes:
    # beside: template.jinja {% for message in messages %}{{ message['content'] }}{% endfor %}
    model:
      chat_template: template.jinja
Passes:
    model:
      chat_template: chatml
"""

from __future__ import annotations

import os
from collections.abc import Iterator

from recipe_engine.lint.report import shown
from recipe_engine.lint.rule import Context, Finding


def check(context: Context) -> Iterator[Finding]:
    name = context.recipe.model.chat_template
    if name is None or name == "chatml":
        return
    path = os.path.join(context.folder, os.path.expanduser(name))
    if "\0" in name or not os.path.isfile(path):
        message = f"there is no file {shown(name)} in the recipe's folder"
        hint = "write the template there, or chatml for the embedded one; the path counts from the recipe's folder"
        yield Finding(("model", "chat_template"), message, hint=hint)
