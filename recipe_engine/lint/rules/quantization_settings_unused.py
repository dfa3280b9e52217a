"""L304 quantization-settings-unused (warning)

The ``bnb_4bit_*`` settings describe 4-bit weights. They are read only where ``load_in_4bit`` is true; 8-bit weights
have no settings.

Fails:
    model:
      bnb_4bit_quant_type: nf4
      bnb_4bit_compute_dtype: bfloat16
Passes:
    model:
      load_in_4bit: true
      bnb_4bit_quant_type: nf4
      bnb_4bit_compute_dtype: bfloat16
      use_lora: true
"""

from __future__ import annotations

from collections.abc import Iterator

from recipe_engine.lint.facts import enumerated, in_use
from recipe_engine.lint.rule import Context, Finding
from recipe_engine.recipe.model import ModelBlock

SETTINGS = [name for name in ModelBlock.model_fields if name.startswith("bnb_4bit_")]


def check(context: Context) -> Iterator[Finding]:
    if context.recipe.model.load_in_4bit:
        return
    unused = in_use(context, "model", SETTINGS)
    if unused:
        yield Finding(
            ("model", unused[0]),
            f"load_in_4bit is false, so nothing reads {enumerated(unused)}",
            hint="write load_in_4bit: true, or remove what is not used",
            at_key=True,
        )
