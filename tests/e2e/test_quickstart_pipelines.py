"""The quickstart pipelines, run as a user runs them: they show learning, not motion."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from recipe_engine.pipeline.check import check_pipeline

ROOT = Path(__file__).resolve().parents[2]
PIPELINES = ROOT / "recipes" / "pipelines" / "quickstart"
NAMES = sorted(file.stem for file in PIPELINES.glob("[a-z]*.yaml"))


def run(name: str, folder: Path) -> Path:
    """Run a quickstart on the CPU to its end. Returns its folder."""
    command = [sys.executable, "-m", "recipe_engine.cli", "run", str(PIPELINES / f"{name}.yaml"), "--num-gpus", "0"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "models" / f"quickstart-{name.replace('_', '-')}"


def result(output: Path, key: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((output / key / "manifest.json").read_text(encoding="utf-8"))["result"]
    return found


def summary(output: Path, key: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((output / key / "summary.json").read_text(encoding="utf-8"))
    return found


def logged(output: Path, stage: str, name: str) -> list[float]:
    lines = (output / stage / "model/run/metrics.jsonl").read_text(encoding="utf-8").splitlines()
    entries = [json.loads(line) for line in lines]
    return [entry[name] for entry in entries if name in entry]


@pytest.mark.parametrize("name", NAMES)
def test_a_quickstart_lints_without_a_finding(name: str) -> None:
    assert check_pipeline(PIPELINES / f"{name}.yaml", gpus=0).diagnostics == ()


def test_raft_raises_the_mean_reward_from_the_first_to_the_last_iteration(tmp_path: Path) -> None:
    output = run("raft", tmp_path)
    rewards = [result(output, f"raft/{number:04d}/scored")["summary"]["mean_reward"] for number in range(3)]
    assert rewards[-1] >= rewards[0] + 0.05


def test_iterative_dpo_raises_the_mean_reward_from_the_first_to_the_last_iteration(tmp_path: Path) -> None:
    output = run("iterative_dpo", tmp_path)
    rewards = [result(output, f"rounds/{number:04d}/scored")["summary"]["mean_reward"] for number in range(2)]
    assert rewards[-1] >= rewards[0] + 0.05


def test_the_ranking_pipeline_raises_its_accuracy(tmp_path: Path) -> None:
    output = run("ranking_rm", tmp_path)
    before, *_, after = logged(output, "rl", "eval_reward")
    assert after > before
    assert summary(output, "verdict")["difference"]["reward"]["mean"]["value"] > 0


@pytest.mark.long
def test_rejection_sampling_raises_the_reward_on_held_out_questions(tmp_path: Path) -> None:
    output = run("rejection_sampling", tmp_path)
    assert summary(output, "verdict")["difference"]["reward"]["mean"]["value"] > 0


@pytest.mark.long
def test_conditional_sft_answers_rightly_where_that_is_asked_for(tmp_path: Path) -> None:
    output = run("conditional_sft", tmp_path)
    right, wrong = (
        summary(output, f"asked_for_{what}_answers")["candidate"]["reward"]["mean"] for what in ("right", "wrong")
    )
    assert right > wrong + 0.1


@pytest.mark.long
def test_grpo_begins_where_the_gate_says_that_the_model_is_ready(tmp_path: Path) -> None:
    output = run("sft_gate_grpo", tmp_path)
    assert result(output, "ready")["summary"]["verdict"] == "ready"
    rewards = logged(output, "grpo", "reward")
    assert rewards[-1] > rewards[0]


@pytest.mark.long
def test_a_thinking_model_is_made_of_thoughts_pairs_and_rewards_of_answers(tmp_path: Path) -> None:
    output = run("thinking", tmp_path)
    assert result(output, "pairs")["rows_out"] > 0
    assert len(logged(output, "grpo", "reward")) == 5
