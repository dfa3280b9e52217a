"""L302 two-quantizations (error)

Weights are quantized once, to 8 bits or to 4. transformers raises when both are asked for.

Fails:
    model:
      load_in_4bit: true
      load_in_8bit: true
      use_lora: true
Passes:
    model:
      load_in_4bit: true
      load_in_8bit: false
      use_lora: true
"""

from __future__ import annotations

from collections.abc import Iterator

from recipe_engine.lint.rule import Context, Finding


def check(context: Context) -> Iterator[Finding]:
    model = context.recipe.model
    if model.load_in_4bit and model.load_in_8bit:
        yield Finding(
            ("model", "load_in_8bit"),
            "model.load_in_8bit and model.load_in_4bit are both true: weights are quantized once",
            hint="keep load_in_4bit (QLoRA, half the memory of 8 bits) or load_in_8bit, and remove the other",
        )
