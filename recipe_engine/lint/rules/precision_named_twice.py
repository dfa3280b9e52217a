"""L421 precision-named-twice (error)

``launch.mixed_precision`` is accelerate's name for what ``training.bf16`` and ``training.fp16`` say. One is enough, and
two must not disagree.

Fails:
    training:
      fp16: true
    launch:
      mixed_precision: bf16
Fails:
    training:
      bf16: true
    launch:
      mixed_precision: "no"
Passes:
    launch:
      mixed_precision: fp16
Passes:
    training:
      bf16: true
    launch:
      mixed_precision: bf16
"""

from __future__ import annotations

from collections.abc import Iterator

from recipe_engine.lint.report import shown
from recipe_engine.lint.rule import Context, Finding


def check(context: Context) -> Iterator[Finding]:
    named = context.recipe.launch.mixed_precision
    for key in ("bf16", "fp16"):
        given = context.recipe.argument(key)
        if named is not None and context.given("training", key) and given is not None and given != (named == key):
            yield Finding(
                ("training", key),
                f"training.{key} is {shown(given)}, and launch.mixed_precision is {named}",
                hint="keep one of the two",
            )
