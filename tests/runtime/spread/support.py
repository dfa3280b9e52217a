"""What runs under a strategy, compiled and trained in processes of their own."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recipe_engine.compiled import CompiledRun
from tests.runtime.spread.session import GROUP, LENGTH
from tests.runtime.support import Row, compiled, logged

ROOT = Path(__file__).resolve().parents[3]
ROWS = 8
"""The global batch, on any number of processes."""

CONVERSATIONS = {"name": "builtin/conversations", "max_samples": 64}
DATA: dict[str, Row] = {
    "sft": CONVERSATIONS,
    "dpo": {"name": "builtin/preferences", "max_samples": 64},
    "grpo": {"name": "builtin/questions", "max_samples": 64},
}
OF_ALGORITHM: dict[str, Row] = {
    "sft": {},
    "dpo": {"training": {"beta": 0.5}},
    # Two optimizer steps on each round of samples, and a reference model. (With steps_per_generation, which step a row
    # is in follows from each process's own generator.)
    "grpo": {
        "training": {
            "num_generations": GROUP,
            "num_iterations": 2,
            "max_completion_length": LENGTH,
            "generation_kwargs": {"min_new_tokens": LENGTH},
            "beta": 0.1,
        },
        "rewards": [{"type": "length", "unit": "characters", "max": 2, "slope": 30}],
    },
}


@dataclass(frozen=True, slots=True)
class Job:
    """A run of a session."""

    name: str
    run: CompiledRun
    broken: str | None = None


def job(
    folder: Path,
    name: str,
    strategy: str,
    processes: int,
    *,
    algorithm: str = "sft",
    broken: str | None = None,
    checkpoint: Path | None = None,
    **blocks: Any,
) -> Job:
    """A run of 4 steps of ``ROWS`` rows. ``blocks`` add to the recipe's; it goes on from ``checkpoint``."""
    (folder / name).mkdir(parents=True)
    own = OF_ALGORITHM[algorithm]
    rows = ROWS // processes
    training = {"max_steps": 4, "per_device_train_batch_size": rows, "learning_rate": 1e-3}
    merged: dict[str, Any] = {"data": {"max_length": 64}, **{key: own[key] for key in own if key != "training"}}
    merged |= blocks
    merged["training"] = training | own.get("training", {}) | blocks.get("training", {})
    merged["launch"] = {"strategy": strategy, "cpu_processes": processes, "hang_minutes": 1, **blocks.get("launch", {})}
    run = compiled(folder / name, algorithm, DATA[algorithm], **merged)
    if checkpoint is not None:
        run = run.model_copy(update={"checkpoint": str(checkpoint)})
    return Job(name, run, broken)


def run_session(folder: Path, jobs: list[Job]) -> dict[str, str | None]:
    """Train the jobs, in order, in processes of their own. What went wrong with each, the same on all processes."""
    plan = []
    for one in jobs:
        file = Path(one.run.run_dir) / "compiled.json"
        file.write_text(one.run.model_dump_json(), encoding="utf-8")
        plan.append({"name": one.name, "compiled": str(file), "broken": one.broken})
    (folder / "plan.json").write_text(json.dumps(plan), encoding="utf-8")
    processes, log = jobs[0].run.processes, folder / "log"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    shared = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    shared |= {"WORLD_SIZE": str(processes), "LOCAL_WORLD_SIZE": str(processes)}
    shared |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "DS_ACCELERATOR": "cpu"}
    module = [sys.executable, "-m", "tests.runtime.spread.session", str(folder / "plan.json"), str(folder / "told")]
    with log.open("w", encoding="utf-8") as output:
        ranks = [
            subprocess.Popen(
                module, env={**shared, "RANK": str(rank), "LOCAL_RANK": str(rank)}, stdout=output, stderr=output
            )
            for rank in range(processes)
        ]
        try:
            codes = [rank.wait(timeout=400) for rank in ranks]
        finally:
            for rank in ranks:
                rank.kill()
    said = log.read_text(encoding="utf-8")
    assert codes == [0] * processes, said[-6000:]
    told = [json.loads((folder / f"told.{rank}").read_text(encoding="utf-8")) for rank in range(processes)]
    found: dict[str, str | None] = {}
    for one in jobs:
        (found[one.name],) = {of_rank[one.name] for of_rank in told}
    return found


def curve(run: CompiledRun, *names: str) -> dict[str, list[float]]:
    return {name: logged(run, name) for name in names}


def weights(folder: Path) -> bytes:
    (file,) = [*folder.glob("model.safetensors"), *folder.glob("adapter_model.safetensors")]
    return file.read_bytes()
