"""L354 wrapped-packing (warning)

``packing_strategy: wrapped`` makes one stream of all rows and cuts it every ``max_length`` tokens. Answers lose their
prompts at a cut, and rows attend to those before them, which are about something else. ``bfd`` keeps rows whole and
apart.

Fails:
    training:
      algorithm: sft
      packing: true
      packing_strategy: wrapped
Passes:
    training:
      algorithm: sft
      packing: true
      packing_strategy: bfd
"""

from __future__ import annotations

from collections.abc import Iterator

from recipe_engine.lint.report import replace_value
from recipe_engine.lint.rule import Context, Finding


def check(context: Context) -> Iterator[Finding]:
    if context.algorithm.name != "sft" or not context.argument("packing"):
        return
    path = ("training", "packing_strategy")
    if context.argument("packing_strategy") == "wrapped":
        yield Finding(
            path,
            "wrapped packing cuts answers from their prompts and lets rows attend to one another",
            hint="write packing_strategy: bfd",
            fix=replace_value(context.document, path, "bfd"),
        )
