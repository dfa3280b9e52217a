"""L325 deepspeed-disagrees (error)

A DeepSpeed file may set the batch size, clipping, the precision, the optimizer and the schedule too. Where it and the
training arguments say different things transformers raises, or the file wins without a word. Written as ``"auto"``, a
value is taken from the recipe; without ``optimizer`` and ``scheduler`` the recipe's are used. ``train_batch_size``
counts the rows of all processes on all machines.

Fails:
    # beside: zero2.json {"zero_optimization": {"stage": 2}, "train_micro_batch_size_per_gpu": 4}
    training:
      deepspeed_config: zero2.json
      per_device_train_batch_size: 1
Fails:
    # beside: zero2.json {"zero_optimization": {"stage": 2}, "fp16": {"enabled": true}}
    training:
      deepspeed_config: zero2.json
      bf16: true
Fails:
    # beside: zero2.json {"zero_optimization": {"stage": 2}, "optimizer": {"type": "AdamW"}}
    training:
      deepspeed_config: zero2.json
      optim: adafactor
Fails:
    # with --num-gpus 8
    # beside: zero2.json {"zero_optimization": {"stage": 2}, "train_batch_size": 64}
    training:
      deepspeed_config: zero2.json
      per_device_train_batch_size: 8
    launch:
      nodes: 2
Fails:
    # beside: zero2.json {"zero_optimization": {"stage": 2},}
    training:
      deepspeed_config: zero2.json
Passes:
    # beside: zero2.json {"zero_optimization": {"stage": 2}, "train_batch_size": "auto", "bf16": {"enabled": "auto"}}
    training:
      deepspeed_config: zero2.json
      per_device_train_batch_size: 1
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from recipe_engine.lint.facts import mixed_precision
from recipe_engine.lint.report import shown
from recipe_engine.lint.rule import Context, Finding
from recipe_engine.parallel.deepspeed_file import read_deepspeed_config, value_at

PATH = ("training", "deepspeed_config")
OPTIMIZERS = {"adamw": "adamw", "adam": "adamw", "onebitadam": "adamw", "lion": "lion"}
"""DeepSpeed's optimizers, in lower case, and how those of transformers begin that are the same."""
SCHEDULES = {"warmuplr": "constant_with_warmup", "warmupdecaylr": "linear", "warmupcosinelr": "cosine"}
"""DeepSpeed's schedules, and the same ones of transformers."""


def check(context: Context) -> Iterator[Finding]:
    file = context.recipe.training.deepspeed_config
    try:
        config = read_deepspeed_config(file)
    except ValueError as error:
        yield Finding(PATH, f"{file} {error}", hint="write a JSON object, as DeepSpeed documents it")
        return
    if config is None:
        return
    for setting, name, wanted in _expected(context):
        found = value_at(config, setting)
        if found is not None and found != "auto" and found != wanted:
            key = ".".join(setting)
            yield Finding(
                ("training", name) if context.given("training", name) else PATH,
                f"{file} sets {key} to {shown(found)}; the recipe's {name} is {shown(wanted)}",
                hint=f'write "auto" for {key} in {file}, so that the recipe decides',
            )
    for part, name, families in (("optimizer", "optim", OPTIMIZERS), ("scheduler", "lr_scheduler_type", SCHEDULES)):
        kind, wanted = value_at(config, (part, "type")), str(context.argument(name))
        if kind is not None and not wanted.startswith(families.get(str(kind).lower(), str(kind).lower())):
            yield Finding(
                ("training", name) if context.given("training", name) else PATH,
                f"{file} sets {part}.type to {shown(kind)}; the recipe's {name} is {wanted}",
                hint=f'remove "{part}" from {file}, so that the recipe decides',
            )


def _expected(context: Context) -> Iterator[tuple[tuple[str, ...], str, Any]]:
    """DeepSpeed's settings, each with the argument and the value that transformers holds it against."""
    batch: int = context.argument("per_device_train_batch_size")
    accumulation: int = context.argument("gradient_accumulation_steps")
    rate = context.argument("learning_rate")
    yield ("train_micro_batch_size_per_gpu",), "per_device_train_batch_size", batch
    yield ("gradient_accumulation_steps",), "gradient_accumulation_steps", accumulation
    if context.processes is not None:
        yield ("train_batch_size",), "global batch size", batch * accumulation * context.processes
    yield ("gradient_clipping",), "max_grad_norm", context.argument("max_grad_norm")
    yield ("optimizer", "params", "lr"), "learning_rate", rate
    betas = [context.argument("adam_beta1"), context.argument("adam_beta2")]
    yield ("optimizer", "params", "betas"), "[adam_beta1, adam_beta2]", betas
    yield ("optimizer", "params", "eps"), "adam_epsilon", context.argument("adam_epsilon")
    yield ("optimizer", "params", "weight_decay"), "weight_decay", context.argument("weight_decay")
    yield ("scheduler", "params", "warmup_max_lr"), "learning_rate", rate
    warmup = context.argument("warmup_steps")
    if warmup >= 1:
        yield ("scheduler", "params", "warmup_num_steps"), "warmup_steps", int(warmup)
    if context.argument("max_steps") > 0:
        yield ("scheduler", "params", "total_num_steps"), "max_steps", context.argument("max_steps")
    for kind in ("fp16", "bf16"):
        wanted = mixed_precision(context) == kind or context.argument(f"{kind}_full_eval")
        yield (kind, "enabled"), kind, wanted
