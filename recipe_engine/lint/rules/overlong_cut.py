"""L352 overlong-cut (warning)

Cutting a row on the right takes the end of the answer and the token that ends it. A model trained on many such rows
learns answers that break off, and not to stop. With packing the cut falls on few rows, since those that fit stay
whole.

Fails:
    data:
      overlong_rows: right
    training:
      algorithm: sft
Passes:
    data:
      overlong_rows: drop
    training:
      algorithm: sft
Passes:
    data:
      overlong_rows: right
    training:
      algorithm: sft
      packing: true
"""

from __future__ import annotations

from collections.abc import Iterator

from recipe_engine.lint.report import replace_value
from recipe_engine.lint.rule import Context, Finding


def check(context: Context) -> Iterator[Finding]:
    path, chosen = ("data", "overlong_rows"), context.algorithm
    # Of a text nothing ends, and a prompt loses no answer.
    if context.recipe.data.overlong_rows != "right" or not {"messages", "preference"} & set(chosen.shapes):
        return
    if chosen.takes("packing") and context.argument("packing"):
        return
    yield Finding(
        path,
        f"rows over {context.recipe.data.max_length} tokens lose the end of their answer and the token that ends it",
        hint="write overlong_rows: drop, which counts them, and raise max_length if they are many",
        fix=replace_value(context.document, path, "drop"),
    )
