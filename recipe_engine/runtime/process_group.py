"""Where the processes of a run meet, before accelerate or DeepSpeed make them: both take a group that they find."""

from __future__ import annotations

import os
from datetime import timedelta
from importlib import import_module
from typing import Any

import torch
from accelerate.state import AcceleratorState, DistributedType, PartialState
from torch import distributed
from torch.distributed.rendezvous import rendezvous

from recipe_engine.compiled import CompiledRun
from recipe_engine.runtime.errors import RunError

_SHARED_MEMORY = "deepspeed_shm_comm"
_ALONE = {"RANK": "0", "LOCAL_RANK": "0", "WORLD_SIZE": "1", "LOCAL_WORLD_SIZE": "1"}


def connect(run: CompiledRun) -> None:
    """Make the process group of a run, within the time limits of its ``launch`` block.

    Nothing is done for a single process without DeepSpeed.

    Raises:
        RunError: the processes did not all come in time, or the launcher started another number.
    """
    deepspeed = bool(run.arguments.get("deepspeed"))
    if run.strategy == "fsdp2" and run.gpus == 0:
        _let_accelerate_shard_on_cpus()
    if distributed.is_initialized() or (run.processes == 1 and not deepspeed):
        return
    if run.gpus > 0:
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))  # before NCCL takes the first of all
    store, rank, size = _meet(run)
    # A limit of ours: transformers drops ddp_timeout where use_cpu is set. It comes after the launcher's, which shows
    # where each process stands before it ends them.
    limit = timedelta(minutes=1.5 * run.launch.hang_minutes + 1)
    distributed.init_process_group(_backend(run), store=store, rank=rank, world_size=size, timeout=limit)
    if deepspeed:
        _tell_deepspeed(run, limit)


def _meet(run: CompiledRun) -> tuple[Any, int, int]:
    """The store through which the processes of a run find one another, this one's number, and how many there are."""
    if run.processes == 1:
        os.environ.update({name: os.environ.get(name, value) for name, value in _ALONE.items()})
        return distributed.HashStore(), 0, 1
    started = os.environ.get("WORLD_SIZE", "1")
    if started != str(run.processes):
        raise RunError(f"{run.processes} processes were asked for, and {started} were started")
    minutes = run.launch.start_minutes
    try:
        store, rank, size = next(rendezvous("env://", timeout=timedelta(minutes=minutes)))
    except (distributed.DistError, ValueError) as error:
        place = f"{os.environ.get('MASTER_ADDR')}:{os.environ.get('MASTER_PORT')}"
        first = next(iter(str(error).splitlines()), "")
        raise RunError(
            f"the {run.processes} processes did not meet at {place} within {minutes:g} minutes: {first}",
            hint="is the run started on each machine, and does the address of --rendezvous reach the first of them?",
        ) from error
    return store, rank, size


def _backend(run: CompiledRun) -> str:
    if run.gpus == 0:
        return "gloo"
    # FSDP gathers whole weights, and offloaded ones, in main memory.
    return "cpu:gloo,cuda:nccl" if run.strategy == "fsdp2" else "nccl"


def _tell_deepspeed(run: CompiledRun, limit: timedelta) -> None:
    """Have DeepSpeed use the group, before it reads a configuration: it would look for MPI, and count one process.

    On a CPU it compiles an operator for a minute at its first use, and ends where there is no compiler. Training does
    not use it (it sums activations of inference), so here it counts as one that this machine cannot have.
    """
    deepspeed: Any = import_module("deepspeed")
    if run.gpus == 0:
        import_module("deepspeed.ops").__compatible_ops__[_SHARED_MEMORY] = False
    deepspeed.init_distributed("gloo" if run.gpus == 0 else "nccl", auto_mpi_discovery=False, timeout=limit)


def _let_accelerate_shard_on_cpus() -> None:
    """Have accelerate take FSDP2 for several CPU processes.

    Its list of what FSDP goes with lacks MULTI_CPU, so that it trains under DistributedDataParallel without a word
    (accelerate 1.12 to 1.15; torch's FSDP2 itself runs on a CPU). A version that has it in its list is left alone, and
    ``launch_check`` looks at what came of it.
    """
    original = AcceleratorState.__init__

    def with_fsdp(self: Any, *arguments: Any, **keywords: Any) -> None:
        original(self, *arguments, **keywords)
        plugin = keywords.get("fsdp_plugin")
        if plugin is not None and self.distributed_type == DistributedType.MULTI_CPU:
            if self._mixed_precision != "no":
                plugin.set_mixed_precision(self._mixed_precision)
            self.fsdp_plugin = plugin
            self.distributed_type = PartialState._shared_state["distributed_type"] = DistributedType.FSDP

    if not hasattr(original, "__wrapped__"):
        with_fsdp.__wrapped__ = original  # type: ignore[attr-defined]
        AcceleratorState.__init__ = with_fsdp
