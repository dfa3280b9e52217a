"""The DeepSpeed configuration of a run, made from its recipe: the two cannot disagree."""

from __future__ import annotations

from typing import Any

from recipe_engine.recipe.launch import LaunchBlock, Strategy


def deepspeed_config(strategy: Strategy, launch: LaunchBlock) -> dict[str, Any]:
    """What ``TrainingArguments.deepspeed`` is given for ``zero1``, ``zero2`` and ``zero3``.

    What "auto" stands for is filled in by transformers from the same training arguments.
    """
    stage = int(strategy.removeprefix("zero"))
    zero: dict[str, Any] = {"stage": stage, "contiguous_gradients": True, "overlap_comm": True}
    if stage == 3:
        zero["stage3_gather_16bit_weights_on_model_save"] = True
    if launch.offload_optimizer:
        zero["offload_optimizer"] = {"device": "cpu"}
    if launch.offload_parameters:
        zero["offload_param"] = {"device": "cpu"}
    return {
        "zero_optimization": zero,
        "bf16": {"enabled": "auto"},
        "fp16": {"enabled": "auto"},
        "gradient_clipping": "auto",
        "gradient_accumulation_steps": "auto",
        "train_micro_batch_size_per_gpu": "auto",
        "train_batch_size": "auto",
    }
