"""What is kept in main memory while it is not computed with, as far as this machine can."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from typing import Any

_NOTHING_TO_DO = "offload: nothing to do, since this run uses main memory alone"


def supported_offload(arguments: dict[str, Any], gpus: int, say: Callable[[str], None]) -> dict[str, Any]:
    """The trainer's arguments, with torch's optimizer for an offloaded state where DeepSpeed's own cannot be built.

    DeepSpeed's makes the step several times as fast, and is compiled for the machine at its first use, which takes a
    minute; it stays in ``TORCH_EXTENSIONS_DIR`` (``~/.cache/torch_extensions``). Without a compiler DeepSpeed would end
    the run. On a CPU run nothing is moved: it would be compiled for nothing, and FSDP would look for an accelerator
    whose copies it can speed up. A file of the user's is left alone.
    """
    sharded = arguments.get("fsdp_config")
    if gpus == 0 and isinstance(sharded, dict) and sharded.get("cpu_offload"):
        say(_NOTHING_TO_DO)
        return {**arguments, "fsdp_config": {**sharded, "cpu_offload": False}}
    config = arguments.get("deepspeed")
    if not isinstance(config, dict) or "offload_optimizer" not in config.get("zero_optimization", {}):
        return arguments
    if gpus > 0 and shutil.which(os.environ.get("CXX", "c++")) is not None:
        return arguments
    if gpus > 0:
        say("offload: torch's optimizer, several times slower than DeepSpeed's, which needs a C++ compiler (g++)")
    else:
        say(_NOTHING_TO_DO)
    return {**arguments, "deepspeed": {**config, "zero_force_ds_cpu_optimizer": False}}
