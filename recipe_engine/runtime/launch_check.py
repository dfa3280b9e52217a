"""What was asked for is what runs: accelerate falls back to one process, or to no wrapper, without a word."""

from __future__ import annotations

from typing import Any

import torch
from accelerate import PartialState
from torch.nn.parallel import DistributedDataParallel
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from recipe_engine.compiled import CompiledRun
from recipe_engine.runtime.errors import RunError


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
        RunError: no weight is trained, DeepSpeed is not in use, or there are too few rows for one step.
    """
    if not any(parameter.requires_grad for parameter in trainer.model.parameters()):
        raise RunError("no weight of the model is trained", hint="see model.use_lora and lora_target_modules")
    if run.arguments.get("deepspeed") and not trainer.is_deepspeed_enabled:
        raise RunError("training.deepspeed_config is set, and DeepSpeed is not in use")
    if trainer.args.world_size != run.processes:
        raise RunError(f"{run.processes} processes were asked for, and the trainer sees {trainer.args.world_size}")
    if len(trainer.get_train_dataloader()) == 0:
        rows = len(trainer.train_dataset)
        raise RunError(
            f"{rows} rows are too few for one batch, so there would be no step",
            hint="lower per_device_train_batch_size or steps_per_generation, or add rows",
        )


class WrapperCheck(TrainerCallback):
    """Stops a run of several processes whose model was not wrapped: each would train a model of its own."""

    def __init__(self, run: CompiledRun, trainer: Any) -> None:
        self.needed = run.processes > 1 and not trainer.is_deepspeed_enabled and not trainer.is_fsdp_enabled
        self.trainer = trainer

    def on_train_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Raises ``RunError`` where nothing averages the gradients of the processes."""
        wrapped = self.trainer.model_wrapped
        if self.needed and not isinstance(wrapped, DistributedDataParallel):
            raise RunError(
                f"the gradients of the processes would not be averaged: the model is {type(wrapped).__name__}"
            )
