"""L312 low-cpu-mem-usage-off (error)

transformers 5 always loads weights without a second copy in host memory and ignores this argument. The result is the
same either way; but nothing in a recipe is ignored, so ``false`` is refused.

Fails:
    model:
      low_cpu_mem_usage: false
Passes:
    model:
      low_cpu_mem_usage: true
"""

from __future__ import annotations

from collections.abc import Iterator

from recipe_engine.lint.report import replace_value
from recipe_engine.lint.rule import Context, Finding


def check(context: Context) -> Iterator[Finding]:
    path = ("model", "low_cpu_mem_usage")
    if not context.recipe.model.low_cpu_mem_usage:
        yield Finding(
            path,
            "low_cpu_mem_usage cannot be switched off: transformers 5 always loads weights that way",
            hint="remove it, or write low_cpu_mem_usage: true",
            fix=replace_value(context.document, path, "true"),
        )
