"""How the model is loaded: where it is, its type, quantization, attention and adapters."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any, cast

import torch
from accelerate import PartialState
from huggingface_hub import snapshot_download
from peft import LoraConfig
from transformers import BitsAndBytesConfig
from transformers.utils import is_flash_attn_2_available, is_flash_attn_3_available

from recipe_engine.algorithms import algorithm
from recipe_engine.algorithms.base import Task
from recipe_engine.compiled import CompiledRun
from recipe_engine.data.location import locate
from recipe_engine.data.remote import fetch, fetched_path
from recipe_engine.recipe.model import ModelBlock
from recipe_engine.runtime import builtin_model
from recipe_engine.runtime.errors import RunError

Say = Callable[[str], None]

AMPERE, HOPPER = 8, 9
"""Major compute capabilities: FlashAttention 2 needs the first or newer, FlashAttention 3 the second."""


def model_path(run: CompiledRun) -> str:
    """A name that ``from_pretrained`` takes: a Hub id, or a folder with the model.

    Raises:
        RunError: a local folder is not there or holds no model, or the model's own code may not be run.
        DataError: a remote model cannot be fetched.
    """
    if not run.model.trust_remote_code:
        return _path(run, run.model.base_model_name)
    _demand_permission(run)
    path = _path(run, run.model.base_model_name)
    if locate(path).kind == "hub":
        path = _snapshot(path, str(run.model.revision))
    _demand_own_code(path)
    return path


def settings_with_paths(run: CompiledRun) -> dict[str, Any]:
    """The algorithm's settings, with paths as ``model_path`` gives them in those that name a model.

    Raises:
        RunError: a local folder is not there or holds no model.
        DataError: a remote model cannot be fetched.
    """
    named = algorithm(run.algorithm).models_named(run.settings)
    return run.settings | {name: _path(run, value, f"training.{name}") for name, value in named.items()}


def _path(run: CompiledRun, name: str, setting: str = "model.base_model_name") -> str:
    kind = locate(name).kind
    if kind == "builtin":
        try:
            return str(builtin_model.ensure(name))
        except builtin_model.UnknownBuiltinModelError as error:
            raise RunError(f"{setting}: {error}") from error
        except OSError as error:
            hint = f"it is kept in {builtin_model.cache_folder()}; RECIPE_ENGINE_CACHE names another folder"
            raise RunError(f"{setting}: {name} cannot be kept: {error}", hint) from error
    if kind == "remote":
        return str(_fetched(run, name))
    if kind == "local" and not os.path.isfile(os.path.join(name, "config.json")):
        raise RunError(
            f"{setting}: {name} holds no model (no config.json)",
            hint="train it first, or name a Hub id; relative paths count from the current folder",
        )
    return name


def _fetched(run: CompiledRun, name: str) -> Path:
    """A copy of a remote model, made by the first process of each machine."""
    cache = Path(run.run_dir) / "fetched"
    state = PartialState()
    with state.local_main_process_first():
        if state.is_local_main_process:
            fetch(name, cache, region=run.model.s3_region, endpoint_url=run.model.s3_endpoint_url)
    return fetched_path(name, cache)


def _demand_permission(run: CompiledRun) -> None:
    if not run.allow_remote_code:
        raise RunError(
            f"training would run Python code that ships with {run.model.base_model_name}",
            hint="read it at the pinned revision, then start with --trust-remote-code",
        )
    if not re.fullmatch("[0-9a-f]{40}", run.model.revision or ""):
        raise RunError("model.trust_remote_code needs model.revision, a full commit of 40 hexadecimal digits")


def _snapshot(name: str, revision: str) -> str:
    """A local copy of a Hub model at a commit.

    TRL looks at the configuration first, at no revision: given a Hub id, it would run the code of the newest one.
    """
    return str(snapshot_download(name, revision=revision, ignore_patterns=["*.bin", "*.pth", "*.gguf", "*.onnx"]))


def _demand_own_code(folder: str) -> None:
    """A revision pins the code of its own repository alone."""
    for file in ("config.json", "tokenizer_config.json"):
        path = Path(folder, file)
        code = json.loads(path.read_text(encoding="utf-8")).get("auto_map", {}) if path.is_file() else {}
        for value in code.values():
            if "--" in str(value):
                raise RunError(f"{folder}: {file} runs code of another repository, {value}, which nothing pins")


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
    generation, _ = torch.cuda.get_device_capability()
    if is_flash_attn_3_available() and generation == HOPPER:
        return "flash_attention_3"
    if is_flash_attn_2_available() and generation >= AMPERE:
        return "flash_attention_2"
    reason = "this GPU is older than Ampere" if generation < AMPERE else "the package flash-attn is not installed"
    say(f"attention: sdpa, since {reason}")
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


def adapter(model: ModelBlock, task: Task = "causal_lm") -> LoraConfig | None:
    """The LoRA adapter to train, if there is one."""
    if not model.use_lora:
        return None
    return LoraConfig(
        task_type="CAUSAL_LM" if task == "causal_lm" else "SEQ_CLS",
        r=model.lora_r,
        lora_alpha=_whole(model.lora_alpha),
        lora_dropout=model.lora_dropout,
        target_modules=model.lora_target_modules or "all-linear",
        exclude_modules=model.lora_exclude_modules,
        modules_to_save=model.lora_modules_to_save,
        bias=model.lora_bias,
        use_rslora=model.use_rslora,
        use_dora=model.use_dora,
    )


def _whole(number: float) -> int:
    """The number as PEFT types it, where it is whole; a fraction works too, for PEFT only divides it."""
    return int(number) if number == int(number) else cast("int", number)


def name_base_model(run: CompiledRun, model: Any) -> None:
    """Write into the adapters where their base model is: the name in the recipe, at its revision, not a local copy."""
    if locate(run.model.base_model_name).kind == "hub":
        for settings in getattr(model, "peft_config", {}).values():
            settings.base_model_name_or_path = run.model.base_model_name
            settings.revision = run.model.revision


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


@contextmanager
def gradients_kept_in_4bit() -> Iterator[None]:
    """Load 4-bit models so that bitsandbytes does not repack their weights on CPUs with AVX512-BF16.

    It repacks for inference at the first forward in evaluation mode and never undoes it; the packed product has no
    gradient, so that after one evaluation the adapters below the last layer would train on nothing, without an error
    (bitsandbytes 0.50). Each layer asks when it is made whether the CPU is one of these.
    """
    layers: Any = import_module("bitsandbytes.nn.modules")
    asks = layers.has_avx512bf16
    layers.has_avx512bf16 = lambda: False
    try:
        yield
    finally:
        layers.has_avx512bf16 = asks
