"""Runs that are stopped or killed: nothing is orphaned, nothing whole is lost, and they go on as if never stopped."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from recipe_engine.checkpoints import newest_whole, whole_checkpoints
from recipe_engine.launch.asked import ONE_WISH_SECONDS
from tests.faults.support import (
    command,
    finished,
    recipe,
    run_to_end,
    start,
    started,
    steps_logged,
    trainers_of,
    tree,
    wait_until,
    weights,
)

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks processes up in /proc")

ROUNDS: dict[str, Any] = {
    "data": {"max_length": 48},
    "rewards": [{"type": "length", "unit": "characters", "max": 2, "slope": 30}],
    # a round of samples is trained on for four steps, and some checkpoints fall into the middle of one
    "training": {"num_generations": 4, "steps_per_generation": 4, "max_completion_length": 6},
}
TWO: dict[str, Any] = {**ROUNDS, "launch": {"cpu_processes": 2}}
CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "sft": ("sft", {}),
    "grpo in the middle of a round": ("grpo", ROUNDS),
    "grpo on two processes": ("grpo", TWO),
    "grpo under fsdp2": ("grpo", {**ROUNDS, "launch": {"cpu_processes": 2, "strategy": "fsdp2"}}),
    "sft under zero3": ("sft", {"launch": {"cpu_processes": 2, "strategy": "zero3"}}),
}
SHORT = "grpo on two processes"
"""What is run without ``--long``: tests/faults/test_resume_of_each_algorithm.py has the others in a shorter form."""


@pytest.mark.parametrize(
    ("algorithm", "blocks"),
    [pytest.param(*case, marks=() if name == SHORT else pytest.mark.long, id=name) for name, case in CASES.items()],
)
def test_a_run_that_was_stopped_ends_as_one_that_was_not(
    tmp_path: Path, algorithm: str, blocks: dict[str, Any]
) -> None:
    file = recipe(tmp_path, algorithm, **blocks)
    run_to_end(file, "training.output_dir=models/whole")
    output = tmp_path / "models/run"
    process = start(file)
    wait_until(process, lambda: steps_logged(output) >= 5)
    process.send_signal(signal.SIGTERM)
    code, said = finished(process)
    assert code == 143, said
    assert "stopped after step" in said
    assert trainers_of(output) == []
    newest = newest_whole(output)
    assert newest is not None
    assert not (output / "model.safetensors").exists()
    said = run_to_end(file)
    assert f"going on from models/run/{newest.name}" in said
    assert weights(output) == weights(tmp_path / "models/whole")
    steps = [json.loads(line)["step"] for line in (output / "run/metrics.jsonl").read_text("utf-8").splitlines()]
    assert sorted(set(steps)) == list(range(1, 13))


def signal_all(process: subprocess.Popen[str]) -> int:
    """Send SIGTERM to a process and all that have come of it, to the first one twice, as Slurm does when it preempts a
    job. Returns how many they are."""
    first, *others = tree(process.pid)
    for pid in others:
        os.kill(pid, signal.SIGTERM)
    for _ in range(2):
        time.sleep(0.1)  # long enough to be another signal, also when it is passed on
        os.kill(first, signal.SIGTERM)
    return 1 + len(others)


@pytest.mark.parametrize(
    ("blocks", "processes"),
    # One that trains and two that load batches; two that train and what starts them; one that trains and wandb's.
    [
        ({"training": {"dataloader_num_workers": 2}}, 3),
        ({"launch": {"cpu_processes": 2}}, 3),
        ({"training": {"report_to": ["wandb"]}}, 2),
    ],
    ids=["with processes that load batches", "on two processes", "with wandb"],
)
def test_a_signal_to_every_process_saves_as_one_to_the_launcher_does(
    tmp_path: Path, blocks: dict[str, Any], processes: int
) -> None:
    """As Slurm sends it, and systemd."""
    training = {"max_steps": 500, "save_steps": 400, **blocks.pop("training", {})}
    output = tmp_path / "models/run"
    process = start(recipe(tmp_path, training=training, **blocks))
    wait_until(process, lambda: steps_logged(output) >= 3)
    assert signal_all(process) >= 1 + processes
    code, said = finished(process)
    assert code == 143, said
    assert trainers_of(output) == []
    (checkpoint,) = whole_checkpoints(output)
    assert f"stopped after step {checkpoint.name.removeprefix('checkpoint-')}" in said


def test_a_signal_to_every_process_of_a_pipeline_saves_too(tmp_path: Path) -> None:
    file = tmp_path / "pipeline.yaml"
    training = "{algorithm: sft, max_steps: 500, save_strategy: steps, save_steps: 400, logging_steps: 1}"
    stage = "id: trained, kind: train, model: builtin/tiny-chat, rows: builtin/conversations"
    file.write_text(f"output_dir: out\nstages: [{{{stage}, recipe: {{training: {training}}}}}]\n", encoding="utf-8")
    process = started([sys.executable, "-m", "recipe_engine.cli", "run", str(file), "--num-gpus", "0"], tmp_path)
    wait_until(process, lambda: steps_logged(tmp_path / "out/trained/model") >= 3)
    signal_all(process)
    code, said = finished(process)
    assert code == 143, said
    (checkpoint,) = whole_checkpoints(tmp_path / "out/trained/model")
    assert f"stopped after step {checkpoint.name.removeprefix('checkpoint-')}" in said


def test_ctrl_c_saves_too(tmp_path: Path) -> None:
    process = start(recipe(tmp_path, training={"max_steps": 500, "save_steps": 400}))
    wait_until(process, lambda: steps_logged(tmp_path / "models/run") >= 2)
    process.send_signal(signal.SIGINT)
    code, said = finished(process)
    assert code == 130, said
    assert newest_whole(tmp_path / "models/run") is not None


def test_a_second_signal_ends_it_at_once(tmp_path: Path) -> None:
    process = start(recipe(tmp_path, training={"max_steps": 5000}))
    output = tmp_path / "models/run"
    wait_until(process, lambda: steps_logged(output) >= 2)
    (worker,) = trainers_of(output)
    os.kill(worker, signal.SIGSTOP)  # a step that takes forever
    process.send_signal(signal.SIGTERM)
    time.sleep(ONE_WISH_SECONDS + 0.2)
    process.send_signal(signal.SIGTERM)
    code, _ = finished(process)
    assert code == 143
    assert trainers_of(output) == []


def test_a_killed_launcher_leaves_no_orphan_and_no_half_held_folder(tmp_path: Path) -> None:
    file = recipe(tmp_path, training={"max_steps": 5000})
    output = tmp_path / "models/run"
    process = start(file)
    wait_until(process, lambda: steps_logged(output) >= 4)
    (worker,) = trainers_of(output)
    os.kill(worker, signal.SIGSTOP)
    process.kill()
    process.wait()
    second = subprocess.run(command(file), cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120)
    assert second.returncode == 1
    assert "is in use by a run that is going on" in second.stderr
    os.kill(worker, signal.SIGCONT)
    deadline = time.monotonic() + 60
    while trainers_of(output) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert trainers_of(output) == []
    assert newest_whole(output) is not None


class TestAChangedRecipe:
    """What is going on with a run is compared with what was started, field by field."""

    @pytest.fixture
    def stopped(self, tmp_path: Path) -> Path:
        file = recipe(tmp_path)
        process = start(file)
        wait_until(process, lambda: steps_logged(tmp_path / "models/run") >= 4)
        process.send_signal(signal.SIGTERM)
        finished(process)
        return file

    def test_each_kind_of_change(self, stopped: Path) -> None:
        code, said = finished(start(stopped, "data.max_length=128", "training.logging_steps=2"))
        assert code == 1
        assert "T512" in said
        assert "data.max_length: 512 -> 128" in said
        assert "logging_steps" not in said
        code, said = finished(start(stopped, "data.max_length=128", "training.resume_changes=[data.max_length]"))
        assert code == 0, said
        assert "changed  data.max_length: 512 -> 128" in said

    def test_a_changed_schedule_is_said(self, stopped: Path) -> None:
        said = run_to_end(stopped, "training.lr_scheduler_type=constant")
        assert "changed  training.lr_scheduler_type: None -> 'constant'" in said

    def test_it_can_begin_anew(self, stopped: Path) -> None:
        code, said = finished(start(stopped, "training.resume=never"))
        assert code == 1
        assert "holds an earlier run" in said
        said = run_to_end(stopped, "training.resume=never", "training.overwrite_output_dir=true")
        assert "going on from" not in said


def test_a_round_of_samples_is_drawn_anew_for_another_number_of_processes(tmp_path: Path) -> None:
    file = recipe(tmp_path, "grpo", **ROUNDS)
    process = start(file)
    wait_until(process, lambda: steps_logged(tmp_path / "models/run") >= 5)
    process.send_signal(signal.SIGTERM)
    finished(process)
    smaller = "training.per_device_train_batch_size"
    allowed = f"training.resume_changes=[{smaller}]"
    said = run_to_end(file, "launch.cpu_processes=2", f"{smaller}=4", allowed)
    assert "a new one is drawn" in said


def test_a_damaged_checkpoint_is_passed_over(tmp_path: Path) -> None:
    file = recipe(tmp_path)
    process = start(file)
    output = tmp_path / "models/run"
    wait_until(process, lambda: len(whole_checkpoints(output)) >= 2)
    process.send_signal(signal.SIGTERM)
    finished(process)
    *_, before, newest = whole_checkpoints(output)
    (newest / "optimizer.pt").write_bytes(b"cut")
    code, said = finished(start(file, f"training.resume={newest}"))
    assert code == 1
    assert "damaged" in said
    assert f"going on from models/run/{before.name}" in run_to_end(file)


def test_a_run_that_had_trained_its_last_step_does_not_train_another(tmp_path: Path) -> None:
    file = recipe(tmp_path)
    run_to_end(file)
    output = tmp_path / "models/run"
    expected = weights(output)
    (output / "run/finished").unlink()  # as if it had been killed while the model was saved
    (output / "model.safetensors").unlink()
    said = run_to_end(file)
    assert "only the model is left to be saved" in said
    assert weights(output) == expected
    assert steps_logged(output) == 12
