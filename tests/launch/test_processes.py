"""Trainings in several processes of the CPU: data parallel for real, and ending together."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest

from .support import is_running, wait_for
from .trainings import command, environment, logged, recipe, train

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("embedded_model")]

TWO = {"cpu_processes": 2}

BAD_REWARD = """\
import os

def bad(completions, **_):
    if os.environ["RANK"] == "1":
        raise ValueError("no such reward")
    return [1.0] * len(completions)
"""

# A file that `accelerate config` of another project may have left, and that would change every part of a launch.
STRAY = """\
compute_environment: LOCAL_MACHINE
distributed_type: FSDP
use_cpu: true
debug: false
mixed_precision: fp16
num_machines: 4
machine_rank: 3
num_processes: 16
gpu_ids: '5'
main_process_ip: 10.0.0.1
rdzv_backend: c10d
fsdp_config: {fsdp_version: 2}
"""


@pytest.fixture
def left_by_others(tmp_path: Path) -> dict[str, str]:
    """What other projects and launchers leave for a command to trip over."""
    file = tmp_path / "home/accelerate/default_config.yaml"
    file.parent.mkdir(parents=True)
    file.write_text(STRAY)
    Path("datasets.py").write_text("raise SystemExit('the wrong datasets')")
    rank = {"RANK": "1", "LOCAL_RANK": "1", "WORLD_SIZE": "4", "MASTER_ADDR": "10.0.0.1", "MASTER_PORT": "1"}
    return {"HF_HOME": str(tmp_path / "home"), "ACCELERATE_USE_DEEPSPEED": "true", **rank}


def test_two_processes_train_as_one_does_at_the_same_global_batch(left_by_others: dict[str, str]) -> None:
    training = {"max_steps": 4, "gradient_accumulation_steps": 2, "per_device_train_batch_size": 4}
    one = train(recipe("one.yaml", training=training), env=left_by_others)
    assert one.returncode == 0, one.stdout
    halves = {**training, "per_device_train_batch_size": 2}
    two = train(recipe("two.yaml", training=halves, launch=TWO), env=left_by_others)
    assert two.returncode == 0, two.stdout
    assert len(logged("two", "loss")) == 4
    assert logged("two", "loss") == pytest.approx(logged("one", "loss"), rel=1e-6)
    assert logged("two", "grad_norm") == pytest.approx(logged("one", "grad_norm"), rel=1e-4)
    # The rows are prepared, and everything is said, by the first process alone.
    assert len(re.findall("^data: ", two.stdout, re.MULTILINE)) == 1
    assert len(re.findall("^step 4/4  loss", two.stdout, re.MULTILINE)) == 1
    assert two.stdout.count("two: done") == 1


def test_two_processes_sample_and_learn_from_rewards() -> None:
    training = {"max_steps": 2, "per_device_train_batch_size": 4, "num_generations": 4, "max_completion_length": 4}
    config = recipe(
        "rl.yaml", "grpo", training=training, launch=TWO, rewards=[{"type": "length", "max": 2, "slope": 4}]
    )
    done = train(config)
    assert done.returncode == 0, done.stdout
    assert len(logged("rl", "reward")) == 2
    assert (Path("models/rl/model.safetensors")).stat().st_size > 0


def test_an_error_of_one_process_ends_all_and_is_said_last() -> None:
    Path("reward.py").write_text(BAD_REWARD)
    training = {"max_steps": 2, "per_device_train_batch_size": 4, "num_generations": 4, "max_completion_length": 2}
    reward = {"type": "function", "path": "reward.py", "name": "bad"}
    config = recipe("rl.yaml", "grpo", training=training, launch=TWO, rewards=[reward])
    began = time.monotonic()
    done = train(config, "--allow-reward-code")
    assert done.returncode == 1
    assert time.monotonic() - began < 120  # not a collective's half an hour
    ended = re.search(r"^rl: process 1 \(\d+\) ended with exit code 1; no checkpoint was saved$", done.stdout, re.M)
    assert ended is not None, done.stdout
    ending = done.stdout[ended.start() :]
    assert "  error    reward bad: raised ValueError: no such reward (reward.py, line 5); the prompt" in ending


@pytest.mark.parametrize(
    ("victim", "number", "code"), [("recipe", signal.SIGTERM, 143), ("worker", signal.SIGKILL, 137)]
)
def test_no_process_is_left_when_one_is_ended(victim: str, number: int, code: int) -> None:
    training = {"max_steps": 100_000, "per_device_train_batch_size": 4}
    config = recipe("long.yaml", training=training, launch={**TWO, "restarts": 0})
    process = subprocess.Popen(
        command("train", "--config", str(config), "--num-gpus", "0"),
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    with process:
        metrics = Path("models/long/run/metrics.jsonl")
        wait_for(lambda: metrics.exists() or process.poll() is not None, 120)
        workers = workers_of(Path("models/long/run/compiled.json").absolute())
        assert len(workers) == 3  # the launcher, and one each
        os.kill(process.pid if victim == "recipe" else max(workers), number)
        out, _ = process.communicate(timeout=90)
    assert process.returncode == code, out
    assert [pid for pid in workers if is_running(pid)] == []
    if victim == "worker":
        assert f"long: process 1 ({max(workers)}) was killed by SIGKILL; " in out
        assert "memory runs out" in out
    else:
        assert "long: stopped by SIGTERM; the newest checkpoint is models/long/checkpoint-" in out


def workers_of(compiled: Path) -> list[int]:
    """The processes that were started with a compiled run as their last argument."""
    wanted = f"{compiled}\0".encode()
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            line = (folder / "cmdline").read_bytes()
        except OSError:
            continue
        if line.endswith(wanted):
            found.append(int(folder.name))
    return found
