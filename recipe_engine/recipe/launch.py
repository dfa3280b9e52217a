"""The ``launch`` block: how the model is spread over processes, where these run, and what ends or restarts them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from recipe_engine.recipe.base import Block
from recipe_engine.recipe.patterns import MEETING, VARIABLES

Strategy = Literal["single", "ddp", "zero1", "zero2", "zero3", "fsdp2"]
"""How a model is spread over processes."""


class LaunchBlock(Block):
    """How processes are started. With GPUs there is one process a GPU (``--num-gpus``, counted on each machine)."""

    strategy: Literal["auto", "single", "ddp", "zero1", "zero2", "zero3", "fsdp2"] = "auto"
    """How the model is spread over processes: ``single`` process; ``ddp``, each holds all of it; DeepSpeed's ``zero1``
    (optimizer split), ``zero2`` (gradients too), ``zero3`` (weights too); or PyTorch's ``fsdp2`` (all three split).
    ``auto`` takes the first that fits into memory; `recipe plan` says which, and why."""
    offload_optimizer: bool = False
    """Keep the optimizer's state, and its step, in main memory: ``zero2``, ``zero3`` and ``fsdp2``."""
    offload_parameters: bool = False
    """Keep the weights in main memory while they are not computed with: ``zero3`` and ``fsdp2``."""
    mixed_precision: Literal["bf16", "fp16", "no"] | None = None
    """What is computed in, as accelerate names it. The same as ``training.bf16`` and ``training.fp16``: write one."""
    gpu_memory_gib: Annotated[float, Field(gt=0, le=4096)] = 80.0
    """Memory of one GPU, by which ``auto`` chooses and the plan judges what fits."""
    cpu_processes: Annotated[int, Field(ge=1, le=64)] = 1
    """Processes of a CPU run (``--num-gpus 0``) on each machine, over gloo."""
    nodes: Annotated[int, Field(ge=1, le=4096)] = 1
    """Machines that train together (``--num-nodes``). The same command is started on each, with its ``--node-rank``."""
    rendezvous: Annotated[str, Field(pattern=MEETING)] | None = None
    """``HOST:PORT`` of the first machine, where all meet (``--rendezvous``)."""
    start_minutes: Annotated[float, Field(gt=0, le=1440)] = 10.0
    """How long machines and processes wait for one another at the start."""
    hang_minutes: Annotated[float, Field(gt=0, le=10080)] = 30.0
    """A run in which no process gets on for so long is ended, and the process that all others wait for is named."""
    grace_minutes: Annotated[float, Field(gt=0, le=1440)] = 10.0
    """How long processes may take to end their step and save after a signal, before they are killed."""
    restarts: Annotated[int, Field(ge=0, le=100)] = 3
    """How often a run that a passing fault ended (a killed process, a lost connection, a hang) is started again from
    its newest checkpoint. Counted anew after each further checkpoint. Mistakes of the recipe never are."""
    restart_seconds: Annotated[float, Field(ge=0, le=86400)] = 10.0
    """Pause before the first restart; each further one is twice as long, up to ten minutes."""
    environment: list[Annotated[str, Field(pattern=VARIABLES)]] | None = None
    """Variables that the training processes are given of the environment, such as ``[NCCL_*, MY_TOKEN]``, beside those
    that the engine, the libraries and the system need. Default: all."""
