"""L423 fp16-under-fsdp2 (warning)

fp16 scales the loss, and each process looks in its own gradients for what overflowed. Under ``fsdp2`` these are pieces,
and the pair is untested here. bf16 needs no scaling.

Fails:
    training:
      fp16: true
    launch:
      strategy: fsdp2
Passes:
    training:
      bf16: true
    launch:
      strategy: fsdp2
Passes:
    training:
      fp16: true
    launch:
      strategy: ddp
"""

from __future__ import annotations

from collections.abc import Iterator

from recipe_engine.lint.facts import first_given, mixed_precision
from recipe_engine.lint.rule import Context, Finding


def check(context: Context) -> Iterator[Finding]:
    if context.recipe.launch.strategy == "fsdp2" and mixed_precision(context) == "fp16":
        yield Finding(
            first_given(context, ("training", "fp16"), ("launch", "mixed_precision")),
            "fp16 is untested under launch.strategy fsdp2",
            hint="write bf16: true, or for GPUs without it launch.strategy: zero3",
        )
