"""What happens to one of two processes alone ends both, with its reason, and none waits for the other."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from recipe_engine.checkpoints import newest_whole
from tests.faults.support import command, finished, recipe, trainers_of

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks processes up in /proc")

PATCH = """
import os, sys
if "recipe_engine.runtime" in " ".join(sys.orig_argv):
    import transformers.trainer as module
    step = module.Trainer.training_step
    def spoiled(self, *arguments, **keywords):
        if self.state.global_step == 4 and os.environ.get("RANK", "0") == "{rank}":
            {fault}
        return step(self, *arguments, **keywords)
    module.Trainer.training_step = spoiled
"""
FAULTS = {
    # weights on one rank alone, as a flipped bit or a broken kernel would leave them
    "nan": "[p.data.fill_(float('nan')) for p in self.model.parameters()]",
    "memory": "import torch; raise torch.OutOfMemoryError('CUDA out of memory. Tried to allocate 2.00 GiB')",
}
SAMPLED: dict[str, Any] = {
    "data": {"max_length": 48},
    "rewards": [{"type": "length", "unit": "characters", "max": 2, "slope": 30}],
    "training": {"num_generations": 4, "max_completion_length": 6, "max_steps": 8},
}
PAIRS: dict[str, Any] = {"data": {"datasets": [{"name": "builtin/preferences"}]}, "training": {"max_steps": 8}}
SHORT: dict[str, Any] = {"training": {"max_steps": 8}}


def spoiled(tmp_path: Path, file: Path, fault: str, rank: int) -> subprocess.Popen[str]:
    """A run with a fault in the fifth step of one of its processes."""
    patches = tmp_path / "patches"
    patches.mkdir()
    (patches / "sitecustomize.py").write_text(PATCH.format(rank=rank, fault=FAULTS[fault]))
    paths = os.pathsep.join([str(patches), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": paths}
    return subprocess.Popen(
        command(file), cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


@pytest.mark.parametrize(
    ("algorithm", "blocks", "fault", "processes", "rank"),
    [
        ("dpo", PAIRS, "nan", 1, 0),
        ("grpo", SAMPLED, "nan", 2, 1),
        ("sft", SHORT, "nan", 2, 1),
        ("sft", SHORT, "memory", 2, 1),
    ],
)
def test_both_end_with_the_reason(
    tmp_path: Path, algorithm: str, blocks: dict[str, Any], fault: str, processes: int, rank: int
) -> None:
    file = recipe(tmp_path, algorithm, launch={"cpu_processes": processes, "restarts": 0}, **blocks)
    begin = time.monotonic()
    code, said = finished(spoiled(tmp_path, file, fault, rank))
    assert code == 1, said
    output = tmp_path / "models/run"
    assert trainers_of(output) == []
    assert time.monotonic() - begin < 120  # a collective would wait for half an hour
    if fault == "nan":
        words = "the model gives no probabilities to sample from" if algorithm == "grpo" else "the loss is nan"
        assert f"error: {words} in step 5" in said
        assert "Traceback" not in said.partition("error: ")[0]
    else:
        assert "error: out of memory: CUDA out of memory. Tried to allocate 2.00 GiB" in said
        assert "halve training.per_device_train_batch_size and double gradient_accumulation_steps" in said
    newest = newest_whole(output)
    assert newest is not None
    assert newest.name == "checkpoint-3"
