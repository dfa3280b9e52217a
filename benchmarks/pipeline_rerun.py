"""How long a rerun of a finished pipeline takes, by how many stages it has, and that it imports no torch.

    python benchmarks/pipeline_rerun.py [STAGES]

The goal is 1 s, and what it takes to read the manifests. The stages are prepare stages of 100 rows: of what a stage has
made, the sizes of its files alone are looked at again.
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
RERUNS = 5


def pipeline(stages: int) -> str:
    """A chain of stages, each of which reads the rows of the one before."""
    lines = [
        "output_dir: out",
        "stages:",
        "  - {id: s0, kind: prepare, rows: builtin/questions, steps: [{do: sample, first: 100}]}",
    ]
    lines += [f"  - {{id: s{number}, kind: prepare, rows: $s{number - 1}}}" for number in range(1, stages)]
    return "\n".join(lines) + "\n"


def seconds(folder: Path, *options: str) -> tuple[float, float]:
    """How long ``recipe run`` takes, and the processor time in it: on a busy machine that says more."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, *options, "-m", "recipe_engine.cli", "run", "pipeline.yaml", "--num-gpus", "0"]
    before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    taken, after = time.perf_counter() - begun, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode != 0:
        raise SystemExit(done.stdout + done.stderr)
    if "-X" in options:
        heavy = [name for name in ("torch", "transformers", "datasets", "numpy") if f"| {name}\n" in done.stderr]
        print(f"heavy packages imported: {', '.join(heavy) or 'none'}")
    return taken, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    """Run once, then again."""
    stages = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    for count in (2, stages):
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch)
            (folder / "pipeline.yaml").write_text(pipeline(count), encoding="utf-8")
            seconds(folder)
            times = [seconds(folder) for _ in range(RERUNS)]
            wall, processor = (statistics.median(one) for one in zip(*times, strict=True))
            print(f"{count} stages: {wall:.3f} s, of which {processor:.3f} s of processor time (medians of {RERUNS})")
            if count == stages:
                seconds(folder, "-X", "importtime")


if __name__ == "__main__":
    main()
