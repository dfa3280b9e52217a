"""What was asked for is what runs: accelerate falls back to one process, or to no wrapper, without a word."""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from accelerate import PartialState
from torch.distributed.fsdp import FSDPModule, FullyShardedDataParallel
from torch.distributed.tensor import DTensor
from torch.nn.parallel import DistributedDataParallel
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from recipe_engine.compiled import CompiledRun
from recipe_engine.runtime.errors import RunError

_HINT = "this is a fallback of accelerate or DeepSpeed, or a variable of theirs in the environment"


def check_launch(run: CompiledRun) -> None:
    """Compare the processes that were started with those that the run needs.

    Raises:
        RunError: they differ, or a GPU is missing.
    """
    state = PartialState()
    if state.num_processes != run.processes:
        raise RunError(f"{run.processes} processes were asked for, and {state.num_processes} are connected")
    if run.gpus > 0 and torch.cuda.device_count() < 1:
        raise RunError("a GPU was asked for, and torch sees none", hint="is this a CPU build of torch?")
    if (run.gpus == 0) != (state.device.type == "cpu"):
        raise RunError(f"{'the CPU' if run.gpus == 0 else 'a GPU'} was asked for, and the device is {state.device}")


def check_trainer(run: CompiledRun, trainer: Any) -> None:
    """Compare the trainer that was built with what the recipe asked for.

    Raises:
        RunError: they differ in processes, batch or precision; other weights are trained than asked for, or none; or
            there are too few rows for one step.
    """
    if not any(parameter.requires_grad for parameter in trainer.model.parameters()):
        raise RunError("no weight of the model is trained", hint="see model.use_lora and lora_target_modules")
    further = next(_trained_beside_adapters(run, trainer), None) if run.model.use_lora else None
    if further is not None:
        raise RunError(f"model.use_lora trains adapters alone, and {further} is trained too")
    if trainer.args.world_size != run.processes:
        raise RunError(f"{run.processes} processes were asked for, and the trainer sees {trainer.args.world_size}")
    _compare(_asked_of_trainer(run, trainer))
    if len(trainer.get_train_dataloader()) == 0:
        rows = len(trainer.train_dataset)
        raise RunError(
            f"{rows} rows are too few for one batch, so there would be no step",
            hint="lower per_device_train_batch_size or steps_per_generation, or add rows",
        )


def _trained_beside_adapters(run: CompiledRun, trainer: Any) -> Iterator[str]:
    """Names of trained weights that are of no adapter, of no companion, and of no module that the recipe names."""
    companion = getattr(trainer, "companion_name", None)
    for name, parameter in trainer.model.named_parameters():
        asked = "lora_" in name or "modules_to_save" in name or name.split(".")[0] == companion
        a_bias = run.model.lora_bias != "none" and name.endswith(".bias")
        if parameter.requires_grad and not asked and not a_bias:
            yield name


Compared = tuple[str, Any, Any]
"""What is compared, what was asked for, and what runs."""


def _asked_of_trainer(run: CompiledRun, trainer: Any) -> Iterator[Compared]:
    for name in ("per_device_train_batch_size", "gradient_accumulation_steps", "max_grad_norm", "bf16", "fp16"):
        if name in run.arguments and not (name == "bf16" and not trainer.args.bf16):  # replaced, where this machine
            yield f"training.{name}", run.arguments[name], getattr(trainer.args, name)  # has none, and told
    yield "mixed precision", _precision(trainer.args), str(trainer.accelerator.mixed_precision)


def _precision(args: TrainingArguments) -> str:
    return "bf16" if args.bf16 else "fp16" if args.fp16 else "no"


def _compare(compared: Iterator[Compared]) -> None:
    for name, asked, runs in compared:
        if asked != runs:
            raise RunError(f"{name} was asked to be {asked}, and is {runs}", hint=_HINT)


class WrapperCheck(TrainerCallback):
    """Stops a run whose model is not spread over the processes as the recipe says."""

    def __init__(self, run: CompiledRun, trainer: Any) -> None:
        self.run = run
        self.trainer = trainer

    def on_train_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Raises ``RunError`` where what holds the model, or its state, is not what was asked for."""
        run, wrapped = self.run, self.trainer.model_wrapped
        if run.arguments.get("deepspeed"):
            _demand(wrapped, import_module("deepspeed").DeepSpeedEngine, "DeepSpeed was asked for")
            _compare(_asked_of_deepspeed(run, self.trainer, wrapped))
        elif run.arguments.get("fsdp"):
            _demand(wrapped, (FSDPModule, FullyShardedDataParallel), "FSDP was asked for")
            _compare(_asked_of_fsdp(run, self.trainer, wrapped))
        elif run.processes > 1:
            _demand(wrapped, DistributedDataParallel, "the gradients of the processes would not be averaged")


def _demand(wrapped: Any, kind: Any, why: str) -> None:
    if not isinstance(wrapped, kind):
        raise RunError(f"{why}: the model is {type(wrapped).__name__}", hint=_HINT)


def zero_stage(run: CompiledRun) -> int:
    """The stage of ZeRO that a run with DeepSpeed asks for."""
    config = run.arguments["deepspeed"]
    if isinstance(config, str):
        config = json.loads(Path(config).read_text(encoding="utf-8"))
    return int(config.get("zero_optimization", {}).get("stage", 0))


def _asked_of_deepspeed(run: CompiledRun, trainer: Any, engine: Any) -> Iterator[Compared]:
    args, stage = trainer.args, zero_stage(run)
    batch = args.per_device_train_batch_size * args.gradient_accumulation_steps * run.processes
    yield "the stage of ZeRO", stage, engine.zero_optimization_stage()
    yield "the number of DeepSpeed's processes", run.processes, engine.world_size
    yield "DeepSpeed's micro-batch", args.per_device_train_batch_size, engine.train_micro_batch_size_per_gpu()
    yield "DeepSpeed's gradient accumulation", args.gradient_accumulation_steps, engine.gradient_accumulation_steps()
    yield "DeepSpeed's batch", batch, engine.train_batch_size()
    yield "DeepSpeed's gradient clipping", float(args.max_grad_norm), float(engine.gradient_clipping())
    yield "DeepSpeed's bf16", args.bf16, bool(engine.bfloat16_enabled())
    yield "DeepSpeed's fp16", args.fp16, bool(engine.fp16_enabled())
    if stage in (1, 2):
        yield "the parts of the optimizer's state", run.processes, min(engine.optimizer.partition_count)
    if stage == 3:
        whole = next((name for name, p in engine.module.named_parameters() if not _in_parts(p, run.processes)), None)
        yield "a weight that each process holds whole", None, whole


def _in_parts(parameter: Any, processes: int) -> bool:
    """Whether DeepSpeed's stage 3 holds a share of a parameter alone; it keeps small ones whole beside their share."""
    share = getattr(parameter, "ds_tensor", None)
    return share is not None and share.ds_numel == -(-parameter.ds_numel // processes)


def _asked_of_fsdp(run: CompiledRun, trainer: Any, model: Any) -> Iterator[Compared]:
    yield "accelerate's FSDP", True, trainer.is_fsdp_enabled and trainer.accelerator.state.fsdp_plugin is not None
    if isinstance(model, FSDPModule):
        whole = next((name for name, p in model.named_parameters() if p.requires_grad and not _sharded(p, run)), None)
        yield "a trained weight that each process holds whole", None, whole
        precision = trainer.accelerator.state.fsdp_plugin.mixed_precision_policy
        dtype = {"bf16": torch.bfloat16, "fp16": torch.float16, "no": None}[_precision(trainer.args)]
        yield "FSDP's precision", dtype, None if precision is None else precision.param_dtype


def _sharded(parameter: Any, run: CompiledRun) -> bool:
    spread = isinstance(parameter, DTensor) and parameter.device_mesh.size() == run.processes
    return spread and any(placement.is_shard() for placement in parameter.placements)
