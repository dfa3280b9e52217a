"""What PyTorch's FSDP2 is told of a run, made from its recipe."""

from __future__ import annotations

from typing import Any

from recipe_engine.recipe.launch import LaunchBlock


def fsdp_config(launch: LaunchBlock) -> dict[str, Any]:
    """What ``TrainingArguments.fsdp_config`` is given. Weights are saved whole: a sharded state saves no model."""
    return {
        "version": 2,
        "reshard_after_forward": True,
        "state_dict_type": "FULL_STATE_DICT",
        "cpu_offload": launch.offload_parameters or launch.offload_optimizer,
    }
