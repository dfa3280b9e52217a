"""L309 flash-attention-in-float32 (error)

FlashAttention computes in 16 bits only. Weights in float32 are fine as long as mixed precision hands it bfloat16 or
float16, which TRL does by default; with ``bf16: false`` and no ``fp16`` there is nothing it could run on.

Fails:
    model:
      torch_dtype: float32
      use_flash_attention: true
    training:
      bf16: false
Fails:
    model:
      torch_dtype: float32
      attn_implementation: flash_attention_2
    training:
      bf16: false
Passes:
    model:
      torch_dtype: float32
      use_flash_attention: true
Passes:
    model:
      torch_dtype: bfloat16
      use_flash_attention: true
    training:
      bf16: false
"""

from __future__ import annotations

from collections.abc import Iterator

from recipe_engine.lint.facts import mixed_precision
from recipe_engine.lint.rule import Context, Finding


def check(context: Context) -> Iterator[Finding]:
    model = context.recipe.model
    flash = model.use_flash_attention or "flash" in (model.attn_implementation or "")
    if flash and model.torch_dtype == "float32" and mixed_precision(context) is None:
        yield Finding(
            ("model", "torch_dtype"),
            "FlashAttention runs in 16 bits, but the weights are float32 and mixed precision is off",
            hint="write torch_dtype: bfloat16, or training.bf16: true, or use another attention",
        )
