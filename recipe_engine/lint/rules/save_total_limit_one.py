"""L320 save-total-limit-one (warning)

The first process removes the older checkpoint as soon as its own files of the new one are written, while the others
may still be writing theirs, and before anything is sure to be on the disk. A crash or a full disk in that moment
leaves no checkpoint at all. With ``load_best_model_at_end`` transformers keeps a second one anyway.

Fails:
    training:
      save_total_limit: 1
Passes:
    training:
      save_total_limit: 2
Passes:
    training:
      save_total_limit: 1
      save_strategy: no
"""

from __future__ import annotations

from collections.abc import Iterator

from recipe_engine.lint.report import replace_value
from recipe_engine.lint.rule import Context, Finding


def check(context: Context) -> Iterator[Finding]:
    path = ("training", "save_total_limit")
    rotates = context.argument("save_strategy") != "no" and not context.argument("load_best_model_at_end")
    if context.argument("save_total_limit") == 1 and rotates:
        yield Finding(
            path,
            "save_total_limit is 1: a crash while a checkpoint is written can leave none",
            hint="write save_total_limit: 2",
            fix=replace_value(context.document, path, "2"),
        )
