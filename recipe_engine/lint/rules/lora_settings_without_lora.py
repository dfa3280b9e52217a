"""L303 lora-settings-without-lora (warning)

The settings of LoRA are read only where ``use_lora`` is true. Without it every weight is trained, which takes many
times the memory and another learning rate: most likely the switch was forgotten.

Fails:
    model:
      lora_r: 16
      lora_alpha: 32
Fails:
    model:
      use_lora: false
      use_dora: true
Passes:
    model:
      use_lora: true
      lora_r: 16
      lora_alpha: 32
"""

from __future__ import annotations

from collections.abc import Iterator

from recipe_engine.lint.facts import enumerated, in_use
from recipe_engine.lint.rule import Context, Finding
from recipe_engine.recipe.model import ModelBlock

SETTINGS = [name for name in ModelBlock.model_fields if name.startswith("lora_")] + ["use_rslora", "use_dora"]


def check(context: Context) -> Iterator[Finding]:
    if context.recipe.model.use_lora:
        return
    unused = in_use(context, "model", SETTINGS)
    if unused:
        yield Finding(
            ("model", unused[0]),
            f"use_lora is false, so every weight is trained and nothing reads {enumerated(unused)}",
            hint="write use_lora: true, or remove what is not used",
            at_key=True,
        )
