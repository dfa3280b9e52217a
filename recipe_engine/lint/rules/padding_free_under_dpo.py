"""L307 padding-free-under-dpo (error)

TRL's DPO trainer takes ``padding_free: true``, warns, and trains with padding all the same: its collator for it was
lost in a refactoring. A recipe must not say what does not happen.

Fails:
    training:
      algorithm: dpo
      padding_free: true
Passes:
    training:
      algorithm: dpo
      padding_free: false
Passes:
    training:
      algorithm: sft
      packing: true
      padding_free: true
"""

from __future__ import annotations

from collections.abc import Iterator

from recipe_engine.lint.report import replace_value
from recipe_engine.lint.rule import Context, Finding


def check(context: Context) -> Iterator[Finding]:
    path = ("training", "padding_free")
    if context.algorithm.config == "DPOConfig" and context.argument("padding_free"):
        yield Finding(
            path,
            "padding_free does nothing under dpo: TRL warns and pads all the same",
            hint="remove it, or write padding_free: false",
            fix=replace_value(context.document, path, "false"),
        )
