"""L326 quantization-not-split (error)

``zero3`` and ``fsdp2`` split every weight over the processes. 8-bit weights of bitsandbytes carry a state of their own
that is not split with them: under ``fsdp2`` training ends with an error ("'Parameter' object has no attribute
'CB'"). 4-bit weights can be split only where they are stored in the type of the other weights, which this engine does
not ask for: it trains, and each process holds them whole, as under ``ddp``. That is a warning.

Fails:
    # beside: zero3.json {"zero_optimization": {"stage": 3}}
    model:
      load_in_8bit: true
      use_lora: true
    training:
      deepspeed_config: zero3.json
Fails:
    model:
      load_in_8bit: true
      use_lora: true
    launch:
      strategy: fsdp2
Fails:
    model:
      load_in_4bit: true
      use_lora: true
    launch:
      strategy: zero3
Passes:
    # beside: zero2.json {"zero_optimization": {"stage": 2}}
    model:
      load_in_8bit: true
      use_lora: true
    training:
      deepspeed_config: zero2.json
Passes:
    model:
      load_in_4bit: true
      use_lora: true
    launch:
      strategy: ddp
"""

from __future__ import annotations

from collections.abc import Iterator

from recipe_engine.lint.rule import Context, Finding
from recipe_engine.lint.strategy import asked_strategy


def check(context: Context) -> Iterator[Finding]:
    model, asked = context.recipe.model, asked_strategy(context)
    if asked is None or not asked.splits_weights:
        return
    where = "launch.strategy: ddp" if asked.path[0] == "launch" else '"stage": 2 in that file'
    hint = f"write {where}: each process then holds the quantized weights whole"
    if model.load_in_8bit:
        yield Finding(("model", "load_in_8bit"), f"{asked.name} cannot split 8-bit weights", hint=hint)
    elif model.load_in_4bit:
        message = f"{asked.name} leaves 4-bit weights whole on each process"
        yield Finding(("model", "load_in_4bit"), message, hint=hint, severity="warning")
