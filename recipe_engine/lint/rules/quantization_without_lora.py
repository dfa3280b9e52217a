"""L301 quantization-without-lora (error)

Quantized weights are frozen: 4- and 8-bit integers have no gradient. Only adapters on top of them can be trained,
which is what QLoRA does.

Fails:
    model:
      load_in_4bit: true
Passes:
    model:
      load_in_4bit: true
      use_lora: true
"""

from __future__ import annotations

from collections.abc import Iterator

from recipe_engine.lint.rule import Context, Finding


def check(context: Context) -> Iterator[Finding]:
    model = context.recipe.model
    for key in ("load_in_4bit", "load_in_8bit"):
        if getattr(model, key) and not model.use_lora:
            yield Finding(
                ("model", key),
                f"model.{key} freezes every weight, and there is no adapter to train",
                hint="add use_lora: true to the model block",
            )
