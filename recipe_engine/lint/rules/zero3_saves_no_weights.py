"""L363 zero3-saves-no-weights (error)

Under ZeRO stage 3 no GPU holds a whole weight, and DeepSpeed gathers them for saving only where its file says
``stage3_gather_16bit_weights_on_model_save``. Otherwise the training ends with pieces that nothing can load as a model.
Adapters are gathered in any case.

Fails:
    # beside: zero3.json {"zero_optimization": {"stage": 3}}
    training:
      deepspeed_config: zero3.json
Passes:
    # beside: zero3.json {"zero_optimization": {"stage": 3, "stage3_gather_16bit_weights_on_model_save": true}}
    training:
      deepspeed_config: zero3.json
Passes:
    # beside: zero3.json {"zero_optimization": {"stage": 3}}
    model:
      use_lora: true
    training:
      deepspeed_config: zero3.json
"""

from __future__ import annotations

from collections.abc import Iterator

from recipe_engine.lint.rule import Context, Finding
from recipe_engine.parallel.deepspeed_file import read_deepspeed_config, value_at

GATHER = "stage3_gather_16bit_weights_on_model_save"


def check(context: Context) -> Iterator[Finding]:
    file = context.recipe.training.deepspeed_config
    try:
        config = read_deepspeed_config(file)
    except ValueError:
        return  # deepspeed-disagrees reports it
    if config is None or context.recipe.model.use_lora or value_at(config, ("zero_optimization", "stage")) != 3:
        return
    if value_at(config, ("zero_optimization", GATHER)) is not True:
        message = f"{file} asks for ZeRO stage 3 without {GATHER}: the model would not be saved"
        hint = f'write "{GATHER}": true under zero_optimization in {file}'
        yield Finding(("training", "deepspeed_config"), message, hint=hint)
