"""Rows a second, and peak memory, of a prepare stage in a process of its own, over files of growing length.

    python benchmarks/prepare_rows.py [--cases plain,filters,dedup] [ROWS...]        default: 10000 100000 1000000

Each file holds alpaca rows of some 300 bytes. The stage is started as a pipeline starts it; its time includes the start
of the interpreter. The steps that are timed:

- plain: ``messages``, the transform of every sft data set
- filters: ``messages``, ``length`` and a held-out split
- dedup: ``messages`` and ``dedup``, whose hashes are on the disk
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from recipe_engine.compiled_stage import COMPILED_STAGE, RESULT, CompiledStage
from recipe_engine.recipe.stages.prepare import PrepareStage

WORDS = [
    "the",
    "model",
    "reads",
    "a",
    "question",
    "and",
    "answers",
    "it",
    "in",
    "a",
    "few",
    "short",
    "sentences",
    "that",
    "say",
    "what",
    "is",
    "meant",
    "and",
    "why",
]
CASES: dict[str, dict[str, Any]] = {
    "plain": {"steps": [{"do": "messages"}]},
    "filters": {"steps": [{"do": "messages"}, {"do": "length", "at_most": 4000}], "splits": {"eval": 0.03}},
    "dedup": {"steps": [{"do": "messages"}, {"do": "dedup"}]},
}


def write_rows(file: Path, count: int) -> None:
    """Alpaca rows, all different."""
    with file.open("w", encoding="utf-8") as stream:
        for number in range(count):
            words = [WORDS[(number * 7 + i * 13) % len(WORDS)] for i in range(40)]
            row = {
                "instruction": f"Question {number}: {' '.join(words[:12])}?",
                "input": "",
                "output": " ".join(words[12:]),
            }
            stream.write(json.dumps(row) + "\n")


def measure(folder: Path, rows: Path, settings: dict[str, Any]) -> tuple[float, float, float, int]:
    """Seconds, processor seconds, peak resident MiB, and rows written, of one stage."""
    stage = PrepareStage.model_validate({"id": "rows", "kind": "prepare", "rows": str(rows), **settings})
    compiled = CompiledStage(
        engine="benchmark",
        pipeline_file="benchmark",
        recipe_folder=str(folder),
        folder=str(folder),
        iteration=None,
        stage=stage,
        seed=42,
        gpus=0,
        thinking=None,
    )
    folder.mkdir(parents=True, exist_ok=True)
    (folder / COMPILED_STAGE).write_text(compiled.model_dump_json(), encoding="utf-8")
    started = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-m", "recipe_engine.pipeline.worker", str(folder)])
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - started
    assert status == 0
    assert isinstance(usage, resource.struct_rusage)
    written = json.loads((folder / RESULT).read_text(encoding="utf-8"))["rows_out"]
    return seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, written


def main(counts: list[int], cases: list[str]) -> None:
    """Print a table."""
    print(f"{'rows':>10}  {'case':<8}  {'seconds':>8}  {'rows/s':>8}  {'a cpu s':>8}  {'peak MiB':>8}")
    with tempfile.TemporaryDirectory() as scratch:
        for count in counts:
            file = Path(scratch, f"rows-{count}.jsonl")
            write_rows(file, count)
            for name in cases:
                folder = Path(scratch, name)
                seconds, processor, memory, written = measure(folder, file, CASES[name])
                assert written == count
                rates = f"{count / seconds:>8.0f}  {count / processor:>8.0f}"
                print(f"{count:>10}  {name:<8}  {seconds:>8.1f}  {rates}  {memory:>8.0f}", flush=True)
                shutil.rmtree(folder)
            file.unlink()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("counts", metavar="ROWS", type=int, nargs="*", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--cases", default=",".join(CASES), help="which of %(default)s")
    given = parser.parse_args()
    main(given.counts, given.cases.split(","))
