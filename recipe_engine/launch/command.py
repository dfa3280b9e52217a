"""The command that trains a compiled run: one process, or one for each GPU under accelerate."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from recipe_engine.compiled import CompiledRun
from recipe_engine.launch.gpus import visible_devices

COMPILED = "compiled.json"


def worker_command(run: CompiledRun) -> list[str]:
    """The argument list that starts the run's processes."""
    worker = ["-m", "recipe_engine.runtime", str(Path(run.run_dir) / COMPILED)]
    deepspeed = run.arguments.get("deepspeed")
    if run.processes == 1 and not deepspeed:
        return [sys.executable, *worker]
    launcher = [sys.executable, "-m", "accelerate.commands.launch", "--num_machines", "1", "--dynamo_backend", "no"]
    launcher += ["--num_processes", str(run.processes), "--main_process_port", "0"]
    if deepspeed:
        launcher += ["--use_deepspeed", "--deepspeed_config_file", str(deepspeed)]
        launcher += ["--zero3_init_flag", "true" if _zero_stage(str(deepspeed)) == 3 else "false"]
    else:
        launcher += ["--multi_gpu", "--mixed_precision", "no"]  # precision is the trainer's
    return [*launcher, *worker]


def worker_environment(run: CompiledRun) -> dict[str, str]:
    """What the run's processes need in their environment beside what is there."""
    environment = {"PYTHONUNBUFFERED": "1", "TOKENIZERS_PARALLELISM": "false"}
    if run.gpus > 0:
        return environment | {"CUDA_VISIBLE_DEVICES": visible_devices(run.gpus)}
    threads = max((os.cpu_count() or 1) // run.processes, 1)
    return environment | {
        "CUDA_VISIBLE_DEVICES": "",
        "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", str(threads)),
    }


def _zero_stage(path: str) -> int:
    try:
        settings = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, json.JSONDecodeError):
        return 0  # lint and the preflight report the file; a plan can be shown without it
    stage = settings.get("zero_optimization", {}).get("stage", 0)
    return stage if isinstance(stage, int) else 0
