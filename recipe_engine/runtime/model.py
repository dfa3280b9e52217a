"""How the model is loaded: where it is, its type, quantization, attention and adapters."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig
from transformers import BitsAndBytesConfig
from transformers.utils import is_flash_attn_2_available, is_flash_attn_3_available

from recipe_engine.compiled import CompiledRun
from recipe_engine.data.location import locate
from recipe_engine.recipe.model import ModelBlock
from recipe_engine.runtime import builtin_model
from recipe_engine.runtime.errors import RunError
from recipe_engine.runtime.remote import fetch

Say = Callable[[str], None]


def model_path(run: CompiledRun) -> str:
    """A name that ``from_pretrained`` takes: a Hub id, or a folder with the model.

    Raises:
        RunError: a local folder is not there, or holds no model.
    """
    name = run.model.base_model_name
    kind = locate(name).kind
    if kind == "builtin":
        return str(builtin_model.ensure(name))
    if kind == "remote":
        cache = Path(run.run_dir) / "fetched"
        return str(fetch(name, cache, region=run.model.s3_region, endpoint_url=run.model.s3_endpoint_url))
    if kind == "local" and not os.path.isfile(os.path.join(name, "config.json")):
        raise RunError(
            f"model.base_model_name: {name} holds no model (no config.json)",
            hint="train it first, or name a Hub id; relative paths count from the current folder",
        )
    return name


def model_arguments(run: CompiledRun, say: Say) -> dict[str, Any]:
    """Keyword arguments of ``from_pretrained``."""
    model = run.model
    arguments: dict[str, Any] = {
        "dtype": model.torch_dtype,
        "trust_remote_code": model.trust_remote_code,
    }
    implementation = attention(model, run.gpus, say)
    if implementation is not None:
        arguments["attn_implementation"] = implementation
    if model.revision:
        arguments["revision"] = model.revision
    if model.ignore_mismatched_sizes:
        arguments["ignore_mismatched_sizes"] = True
    return arguments


def attention(model: ModelBlock, gpus: int, say: Say) -> str | None:
    """The attention implementation: the one named, else FlashAttention if asked for and runnable, else SDPA.

    Where nothing is asked for, none is named, and transformers takes SDPA for every model that has it.
    """
    if model.attn_implementation is not None:
        return model.attn_implementation
    if not model.use_flash_attention:
        return None
    if gpus == 0:
        say("attention: sdpa, since FlashAttention runs on a GPU alone and this run uses the CPU")
        return "sdpa"
    if is_flash_attn_3_available():
        return "flash_attention_3"
    if is_flash_attn_2_available():
        return "flash_attention_2"
    say("attention: sdpa, since no FlashAttention package that runs on this GPU is installed (flash-attn)")
    return "sdpa"


def quantization(model: ModelBlock) -> BitsAndBytesConfig | None:
    """The quantization of the frozen weights, if there is one."""
    if model.load_in_8bit:
        return BitsAndBytesConfig(load_in_8bit=True)
    if model.load_in_4bit:
        return BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_compute_dtype=getattr(torch, model.bnb_4bit_compute_dtype),
            bnb_4bit_quant_type=model.bnb_4bit_quant_type,
            bnb_4bit_use_double_quant=model.bnb_4bit_use_double_quant,
        )
    return None


def adapter(model: ModelBlock) -> LoraConfig | None:
    """The LoRA adapter to train, if there is one."""
    if not model.use_lora:
        return None
    return LoraConfig(
        task_type="CAUSAL_LM",
        r=model.lora_r,
        lora_alpha=model.lora_alpha,  # type: ignore[arg-type]  # a scale: PEFT divides it, whatever its type
        lora_dropout=model.lora_dropout,
        target_modules=model.lora_target_modules or "all-linear",
        exclude_modules=model.lora_exclude_modules,
        modules_to_save=model.lora_modules_to_save,
        bias=model.lora_bias,
        use_rslora=model.use_rslora,
        use_dora=model.use_dora,
    )


def supported_precision(arguments: dict[str, Any], gpus: int, say: Say) -> dict[str, Any]:
    """The trainer's arguments, with bf16 replaced by fp32 where this machine has no bf16."""
    if not arguments.get("bf16"):
        return arguments
    if gpus > 0 and not torch.cuda.is_bf16_supported(including_emulation=False):
        say("precision: fp32 in place of bf16, which this GPU does not compute in (write fp16: true for 16 bits)")
        return {**arguments, "bf16": False}
    if gpus == 0 and not _cpu_computes_bf16():
        say("precision: fp32 in place of bf16, which torch does not compute in on this CPU")
        return {**arguments, "bf16": False}
    return arguments


def _cpu_computes_bf16() -> bool:
    try:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            torch.ones(2, 2) @ torch.ones(2, 2)
    except RuntimeError:
        return False
    return True


def keep_gradients_in_4bit(model: torch.nn.Module) -> None:
    """Keep bitsandbytes from repacking 4-bit weights for inference on CPUs with AVX512-BF16.

    It repacks at the first forward in evaluation mode and never undoes it; the packed product has no gradient, so that
    after one evaluation the adapters below the last layer would train on nothing, without an error (bitsandbytes 0.50).
    """
    for module in model.modules():
        if hasattr(module, "support_avx512bf16_for_cpu"):
            module.support_avx512bf16_for_cpu = False
