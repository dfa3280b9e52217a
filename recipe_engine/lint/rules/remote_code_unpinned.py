"""L306 remote-code-unpinned (error)

``trust_remote_code`` runs Python files that come with the model, with everything that you may do. A branch or a tag
can be moved to other code after you read it; a full commit cannot.

Fails:
    model:
      trust_remote_code: true
Fails:
    model:
      trust_remote_code: true
      revision: main
Passes:
    model:
      trust_remote_code: true
      revision: 9f1c0d1e2b3a4c5d6e7f8091a2b3c4d5e6f70819
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from recipe_engine.lint.facts import first_given
from recipe_engine.lint.report import shown
from recipe_engine.lint.rule import Context, Finding

COMMIT = re.compile(r"[0-9a-f]{40}")


def check(context: Context) -> Iterator[Finding]:
    model = context.recipe.model
    if not model.trust_remote_code or COMMIT.fullmatch(model.revision or ""):
        return
    given = "no revision is named" if model.revision is None else f"{shown(model.revision)} is not a commit"
    yield Finding(
        first_given(context, ("model", "revision"), ("model", "trust_remote_code")),
        f"trust_remote_code runs code that ships with the model, and {given}: it could change at any time",
        hint="read the code, then write revision: with the 40 hexadecimal digits of the commit that you read",
    )
