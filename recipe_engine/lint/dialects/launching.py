"""How accelerate, the launchers of DeepSpeed and torch, Axolotl and verl say what the ``launch`` block says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from recipe_engine.lint.dialects.spelling import Removed, Rename

_STAGES = {0: "ddp", 1: "zero1", 2: "zero2", 3: "zero3"}
_KINDS = {"NO": "single", "MULTI_GPU": "ddp", "MULTI_CPU": "ddp", "FSDP": "fsdp2"}
_FSDP = {
    "full_shard": "fsdp2",
    "full_shard auto_wrap": "fsdp2",
    "fsdp": "fsdp2",
    True: "fsdp2",
    False: "auto",
    "": "auto",
    None: "auto",
}
_DEVICE = {"cpu": True, "none": False}

_IN_LAUNCH: tuple[tuple[str, str, str, Mapping[Any, Any]], ...] = (
    # key, key here, who calls it so, values
    ("num_machines", "nodes", "accelerate", {}),
    ("num_nodes", "nodes", "DeepSpeed", {}),
    ("nnodes", "nodes", "torchrun", {}),
    ("rdzv_endpoint", "rendezvous", "torchrun", {}),
    ("max_restarts", "restarts", "torchrun", {}),
    ("distributed_type", "strategy", "accelerate", _KINDS),
    ("zero_stage", "strategy", "accelerate", _STAGES),
    ("offload_optimizer_device", "offload_optimizer", "accelerate", _DEVICE),
    ("offload_param_device", "offload_parameters", "accelerate", _DEVICE),
    ("fsdp_offload_params", "offload_parameters", "accelerate", {}),
    ("param_offload", "offload_parameters", "verl", {}),
    ("optimizer_offload", "offload_optimizer", "verl", {}),
)

RENAMES = (
    *(Rename(("launch", old), ("launch", new), origin, values) for old, new, origin, values in _IN_LAUNCH),
    Rename(("training", "fsdp"), ("launch", "strategy"), "transformers", _FSDP),
    Rename(("training", "zero_stage"), ("launch", "strategy"), "OpenRLHF", _STAGES),
    Rename(("training", "mixed_precision"), ("launch", "mixed_precision"), "accelerate"),
    Rename(("training", "num_machines"), ("launch", "nodes"), "accelerate"),
    Rename(("training", "nnodes"), ("launch", "nodes"), "verl"),
    Rename(("training", "strategy"), ("launch", "strategy"), "verl", {"fsdp": "fsdp2"}),
    Rename(("training", "param_offload"), ("launch", "offload_parameters"), "verl"),
    Rename(("training", "optimizer_offload"), ("launch", "offload_optimizer"), "verl"),
)

_ENGINE = "write launch.strategy: fsdp2, with offload_parameters where it offloads: the engine writes the rest"
_DEEPSPEED = "write strategy: zero2 or zero3; a DeepSpeed file of yours is named by training.deepspeed_config"
_GPUS = "leave it out: --num-gpus says how many processes each machine has; on the CPU, launch.cpu_processes"
_RANK = "leave it out: each machine is started with its --node-rank"
_MEETING = "write launch.rendezvous: HOST:PORT of the first machine"
_EACH_LAUNCH = {
    "fsdp": "write strategy: fsdp2",
    "fsdp_config": _ENGINE,
    "fsdp_version": "leave it out: it is always FSDP2",
    "deepspeed": _DEEPSPEED,
    "deepspeed_config": _DEEPSPEED,
    "num_processes": _GPUS,
    "nproc_per_node": _GPUS,
    "machine_rank": _RANK,
    "node_rank": _RANK,
    "main_process_ip": _MEETING,
    "main_process_port": _MEETING,
    "master_addr": _MEETING,
    "master_port": _MEETING,
    "gpu_ids": "set the environment variable CUDA_VISIBLE_DEVICES",
    "use_cpu": "start with --num-gpus 0",
    "downcast_bf16": "leave it out: it is for TPUs",
}
_AT_THE_ROOT = {
    **{name: f"write launch.{new}" for name, new, _, _ in _IN_LAUNCH if name not in {"max_restarts", "zero_stage"}},
    **_EACH_LAUNCH,
    "mixed_precision": "write launch.mixed_precision",
    "fsdp": "write launch.strategy: fsdp2",
    "deepspeed": "write training.deepspeed_config: FILE, or launch.strategy: zero2 or zero3",
    "deepspeed_config": "write training.deepspeed_config: FILE, or launch.strategy: zero2 or zero3",
    "accelerate_config": "write a launch block: the engine makes accelerate's configuration of it",
}

REMOVED = (
    Removed(("training", "fsdp_config"), _ENGINE),
    Removed(("training", "fsdp_min_num_params"), _ENGINE),
    Removed(("training", "fsdp_transformer_layer_cls_to_wrap"), _ENGINE),
    Removed(("training", "accelerator_config"), "leave it out: the engine makes accelerate's configuration"),
    Removed(("training", "num_processes"), _GPUS),
    Removed(("training", "n_gpus_per_node"), _GPUS),
    *(Removed(("launch", name), instead) for name, instead in _EACH_LAUNCH.items()),
    *(Removed((name,), instead) for name, instead in _AT_THE_ROOT.items()),
)
