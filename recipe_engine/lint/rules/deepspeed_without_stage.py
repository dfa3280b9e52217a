"""L426 deepspeed-without-stage (error)

A DeepSpeed file that asks for no ZeRO stage (1, 2 or 3) splits nothing: it is data parallelism, which
``launch.strategy: ddp`` does without DeepSpeed.

Fails:
    # beside: ds.json {"zero_optimization": {"stage": 0}}
    training:
      deepspeed_config: ds.json
Fails:
    # beside: ds.json {"gradient_clipping": "auto"}
    training:
      deepspeed_config: ds.json
Passes:
    # beside: ds.json {"zero_optimization": {"stage": 2}}
    training:
      deepspeed_config: ds.json
"""

from __future__ import annotations

from collections.abc import Iterator

from recipe_engine.lint.rule import Context, Finding
from recipe_engine.parallel.deepspeed_file import read_deepspeed_config, stage_of, unknown_keys


def check(context: Context) -> Iterator[Finding]:
    file = context.recipe.training.deepspeed_config
    # Where a name is misspelt, deepspeed-file-malformed says so: it may be that of the stage.
    if stage_of(file) == 0 and not any(unknown_keys(read_deepspeed_config(file) or {})):
        message = f"{file} asks for ZeRO stage 0, as it does where it names none: that splits nothing"
        hint = 'write "zero_optimization": {"stage": 2} there; or remove it, and write launch.strategy: ddp'
        yield Finding(("training", "deepspeed_config"), message, hint=hint)
