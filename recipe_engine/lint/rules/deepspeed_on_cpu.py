"""L323 deepspeed-on-cpu (error)

DeepSpeed shards a model over GPUs. A run with ``--num-gpus 0`` has none.

Fails:
    # with --num-gpus 0
    training:
      deepspeed_config: zero2.json
Passes:
    # with --num-gpus 2
    training:
      deepspeed_config: zero2.json
Passes:
    training:
      deepspeed_config: zero2.json
"""

from __future__ import annotations

from collections.abc import Iterator

from recipe_engine.lint.rule import Context, Finding


def check(context: Context) -> Iterator[Finding]:
    if context.recipe.training.deepspeed_config is not None and context.gpus == 0:
        yield Finding(
            ("training", "deepspeed_config"),
            "DeepSpeed needs a GPU, and the run is to use none",
            hint="start with --num-gpus 1 or more, or with the override training.deepspeed_config=null",
        )
