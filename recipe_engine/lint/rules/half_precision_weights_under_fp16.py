"""L311 half-precision-weights-under-fp16 (error)

``fp16: true`` scales the loss so that small gradients survive, and unscales the gradients before each step. PyTorch
unscales float32 gradients only: for float16 it raises "Attempting to unscale FP16 gradients", for bfloat16 it has no
CUDA kernel. So the trained weights must be float32. Adapters are, on a base of any type, unless the base is
quantized: TRL then makes them bfloat16, as the QLoRA paper does.

Fails:
    model:
      torch_dtype: float16
    training:
      fp16: true
Fails:
    model:
      load_in_4bit: true
      use_lora: true
    training:
      fp16: true
Passes:
    model:
      torch_dtype: float32
    training:
      fp16: true
Passes:
    model:
      torch_dtype: float16
      use_lora: true
    training:
      fp16: true
"""

from __future__ import annotations

from collections.abc import Iterator

from recipe_engine.lint.facts import mixed_precision
from recipe_engine.lint.rule import Context, Finding


def check(context: Context) -> Iterator[Finding]:
    model = context.recipe.model
    if mixed_precision(context) != "fp16":
        return
    if model.use_lora and (model.load_in_4bit or model.load_in_8bit):
        yield Finding(
            ("training", "fp16"),
            "adapters on quantized weights are trained in bfloat16, whose gradients fp16 training cannot unscale",
            hint="write bf16: true and fp16: false",
        )
    elif not model.use_lora and model.torch_dtype in {"float16", "bfloat16"}:
        yield Finding(
            ("model", "torch_dtype"),
            f"every weight is trained in {model.torch_dtype}, whose gradients fp16 training cannot unscale",
            hint="write torch_dtype: float32 with training.fp16, or training.bf16: true in its place",
        )
