"""L324 deepspeed-with-fsdp (error)

DeepSpeed and FSDP both shard the model and drive its backward pass. Only one of them can.

Fails:
    training:
      deepspeed_config: zero3.json
      fsdp: full_shard
Passes:
    training:
      deepspeed_config: zero3.json
Passes:
    training:
      fsdp: full_shard
"""

from __future__ import annotations

from collections.abc import Iterator

from recipe_engine.lint.rule import Context, Finding


def check(context: Context) -> Iterator[Finding]:
    if context.recipe.training.deepspeed_config is not None and context.argument("fsdp"):
        yield Finding(
            ("training", "fsdp"),
            "fsdp and deepspeed_config are two ways to shard one model",
            hint="remove fsdp to use DeepSpeed, or deepspeed_config to use FSDP",
        )
