"""L326 zero3-with-quantization (error)

ZeRO stage 3 splits every weight over the GPUs. 8-bit weights of bitsandbytes carry a state of their own that is not
split with them. 4-bit weights can be split only where they are stored in the type of the other weights, which this
engine does not ask for: untested, so a warning.

Fails:
    # beside: zero3.json {"zero_optimization": {"stage": 3}}
    model:
      load_in_8bit: true
      use_lora: true
    training:
      deepspeed_config: zero3.json
Fails:
    # beside: zero3.json {"zero_optimization": {"stage": 3}}
    model:
      load_in_4bit: true
      use_lora: true
    training:
      deepspeed_config: zero3.json
Passes:
    # beside: zero2.json {"zero_optimization": {"stage": 2}}
    model:
      load_in_8bit: true
      use_lora: true
    training:
      deepspeed_config: zero2.json
"""

from __future__ import annotations

from collections.abc import Iterator

from recipe_engine.lint.rule import Context, Finding
from recipe_engine.parallel.deepspeed_file import read_deepspeed_config, value_at


def check(context: Context) -> Iterator[Finding]:
    model = context.recipe.model
    file = context.recipe.training.deepspeed_config
    try:
        config = read_deepspeed_config(file)
    except ValueError:
        return  # deepspeed-disagrees reports it
    if config is None or value_at(config, ("zero_optimization", "stage")) != 3:
        return
    hint = f'write "stage": 2 in {file}: then each GPU holds the quantized weights whole'
    if model.load_in_8bit:
        message = f"{file} asks for ZeRO stage 3, which cannot split 8-bit weights"
        yield Finding(("model", "load_in_8bit"), message, hint=hint)
    elif model.load_in_4bit:
        message = f"{file} asks for ZeRO stage 3, which is untested with 4-bit weights"
        yield Finding(("model", "load_in_4bit"), message, hint=hint, severity="warning")
