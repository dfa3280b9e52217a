"""L305 already-quantized-base (error)

A checkpoint whose name ends in GPTQ, AWQ, bnb-4bit and the like holds quantized weights. They cannot be quantized
again, and they are frozen, so that only adapters on top of them can be trained. For some formats transformers refuses
even that, GGUF and NVFP4 among them. The name is all that is looked at, and only that of a model on the Hub.

Fails:
    model:
      base_model_name: Qwen/Qwen2.5-7B-Instruct-AWQ
Fails:
    model:
      base_model_name: Qwen/Qwen2.5-7B-Instruct-GPTQ-Int4
      load_in_4bit: true
      use_lora: true
Fails:
    model:
      base_model_name: Qwen/Qwen2.5-7B-Instruct-GGUF
      use_lora: true
Passes:
    model:
      base_model_name: Qwen/Qwen2.5-7B-Instruct-GPTQ-Int4
      use_lora: true
Passes:
    model:
      base_model_name: Qwen/Qwen2.5-7B-Instruct
      load_in_4bit: true
      use_lora: true
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

from recipe_engine.lint.rule import Context, Finding

FORMATS = (
    *("GPTQ", "AWQ", "AQLM", "HQQ", "EETQ", "VPTQ", "FP8", "Int4", "Int8", "4bit", "8bit", "W4A16", "W8A16", "W8A8"),
    *("GGUF", "EXL2", "EXL3", "NVFP4", "MXFP4", "AutoRound", "SpQR", "HIGGS"),
)
# transformers' quantizers say `is_trainable: False`, or there is none for them.
FROZEN_FOR_GOOD = ("GGUF", "EXL2", "EXL3", "NVFP4", "MXFP4", "AutoRound", "SpQR", "HIGGS")
QUANTIZED = re.compile(rf"(?<![a-z0-9])(?:{'|'.join(FORMATS)})(?![a-z0-9])", re.IGNORECASE)


def check(context: Context) -> Iterator[Finding]:
    model = context.recipe.model
    name = model.base_model_name
    found = QUANTIZED.search(name.rpartition("/")[2])
    if found is None or os.path.exists(name):
        return
    plain = "name the model that is not quantized, with load_in_4bit: true and use_lora: true"
    if found[0].lower() in {form.lower() for form in FROZEN_FOR_GOOD}:
        message = f"{name} holds {found[0]} weights: they cannot be trained, nor adapters on top of them"
        yield Finding(("model", "base_model_name"), message, hint=plain)
        return
    for key in ("load_in_4bit", "load_in_8bit"):
        if getattr(model, key):
            message = f"{name} holds quantized weights ({found[0]}): they cannot be quantized again"
            yield Finding(("model", key), message, hint=f"remove {key}, or name the model that is not quantized")
            return
    if not model.use_lora:
        message = f"{name} holds quantized weights ({found[0]}): they are frozen, and there is no adapter to train"
        yield Finding(
            ("model", "base_model_name"),
            message,
            hint="add use_lora: true, or name the model that is not quantized",
        )
