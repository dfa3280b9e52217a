"""What runs under a strategy, compiled and trained in processes of their own."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recipe_engine.compiled import CompiledRun
from recipe_engine.launch.command import COMPILED, WORKER, worker_command, worker_environment
from tests.runtime.spread import session
from tests.runtime.spread.session import GROUP, LENGTH, PLAN
from tests.runtime.support import Row, compiled, logged

ROOT = Path(__file__).resolve().parents[3]
ROWS = 8
"""The global batch, on any number of processes."""

CONVERSATIONS = {"name": "builtin/conversations", "max_samples": 64}
DATA: dict[str, Row] = {
    "sft": CONVERSATIONS,
    "dpo": {"name": "builtin/preferences", "max_samples": 64},
    "grpo": {"name": "builtin/questions", "max_samples": 64},
    "minillm": {"name": "builtin/alpaca", "max_samples": 64},
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
    "minillm": {
        "training": {
            "teacher_model": "builtin/tiny-chat",
            "teacher_mixed_alpha": 0.5,
            "max_completion_length": LENGTH,
            "max_steps": 1,
        },
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
    deepspeed: Row | None = None,
    **blocks: Any,
) -> Job:
    """A run of 4 steps of ``ROWS`` rows. ``blocks`` add to the recipe's; it goes on from ``checkpoint``.

    ``deepspeed`` is written into a file, as a user's own is.
    """
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
    if deepspeed is not None:
        file = folder / name / "deepspeed.json"
        file.write_text(json.dumps(deepspeed), encoding="utf-8")
        run = run.model_copy(update={"arguments": {**run.arguments, "deepspeed": str(file)}})
    return Job(name, run, broken)


def run_session(jobs: list[Job]) -> dict[str, str | None]:
    """Train the jobs, in order, in processes that the launcher starts. What went wrong with each, the same on all."""
    plan = []
    for one in jobs:
        file = Path(one.run.run_dir) / COMPILED
        file.write_text(one.run.model_dump_json(), encoding="utf-8")
        plan.append({"name": one.name, "compiled": str(file), "broken": one.broken})
    first = jobs[0].run
    (Path(first.run_dir) / PLAN).write_text(json.dumps(plan), encoding="utf-8")
    command, module = worker_command(first), session.__name__
    command = [module if part == WORKER else part for part in command] if first.processes == 1 else [*command, module]
    environment = {**worker_environment(first), "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=500)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-6000:]
    told = [json.loads((Path(first.run_dir) / f"told.{rank}").read_text("utf-8")) for rank in range(first.processes)]
    found: dict[str, str | None] = {}
    for one in jobs:
        (found[one.name],) = {of_rank[one.name] for of_rank in told}
    return found


def curve(run: CompiledRun, *names: str) -> dict[str, list[float]]:
    return {name: logged(run, name) for name in names}


def weights(folder: Path) -> bytes:
    (file,) = [*folder.glob("model.safetensors"), *folder.glob("adapter_model.safetensors")]
    return file.read_bytes()
