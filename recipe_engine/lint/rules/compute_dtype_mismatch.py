"""L328 compute-dtype-mismatch (warning)

4-bit weights are unpacked to ``bnb_4bit_compute_dtype`` for each multiplication, and the result is cast to what mixed
precision computes in. With ``bf16: true`` and another type there every layer casts twice; float16 overflows where
bfloat16 would not, and float32 runs without tensor cores.

Fails:
    model:
      load_in_4bit: true
      bnb_4bit_compute_dtype: float16
      use_lora: true
    training:
      bf16: true
Passes:
    model:
      load_in_4bit: true
      bnb_4bit_compute_dtype: bfloat16
      use_lora: true
    training:
      bf16: true
Passes:
    model:
      load_in_4bit: true
      bnb_4bit_compute_dtype: float32
      use_lora: true
    training:
      bf16: false
"""

from __future__ import annotations

from collections.abc import Iterator

from recipe_engine.lint.report import replace_value
from recipe_engine.lint.rule import Context, Finding


def check(context: Context) -> Iterator[Finding]:
    model = context.recipe.model
    path = ("model", "bnb_4bit_compute_dtype")
    if model.load_in_4bit and context.argument("bf16") is True and model.bnb_4bit_compute_dtype != "bfloat16":
        yield Finding(
            path,
            f"4-bit weights are computed with in {model.bnb_4bit_compute_dtype}, and the rest in bfloat16 (bf16: true)",
            hint="write bnb_4bit_compute_dtype: bfloat16",
            fix=replace_value(context.document, path, "bfloat16"),
        )
