"""L310 fp16-with-bf16 (error)

Mixed precision computes in one 16-bit type. transformers raises when both are asked for.

Fails:
    training:
      bf16: true
      fp16: true
Fails:
    training:
      bf16_full_eval: true
      fp16_full_eval: true
Passes:
    training:
      bf16: true
      fp16: false
Passes:
    training:
      fp16: true
"""

from __future__ import annotations

from collections.abc import Iterator

from recipe_engine.lint.report import replace_value
from recipe_engine.lint.rule import Context, Finding


def check(context: Context) -> Iterator[Finding]:
    for suffix in ("", "_full_eval"):
        fp16, bf16 = f"fp16{suffix}", f"bf16{suffix}"
        if context.argument(fp16) and context.argument(bf16):
            path = ("training", fp16)
            yield Finding(
                path,
                f"{fp16} and {bf16} are both true",
                hint=f"keep {bf16} (GPUs since 2020 have it, and it needs no loss scaling), or {fp16} for older ones",
                fix=replace_value(context.document, path, "false"),
            )
