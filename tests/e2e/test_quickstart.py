"""The quickstart recipes, run as a user runs them: they show learning, not motion."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

RECIPES = Path(__file__).resolve().parents[2] / "recipes" / "quickstart"


def train(recipe: str, folder: Path, *overrides: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "recipe_engine.cli", "train", "--num-gpus", "0", "--config", str(RECIPES / recipe)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [*command, *overrides], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


def logged(folder: Path, run: str, name: str) -> list[float]:
    lines = (folder / "models" / run / "run" / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    entries: list[dict[str, Any]] = [json.loads(line) for line in lines]
    return [entry[name] for entry in entries if name in entry]


def mean(values: list[float]) -> float:
    return sum(values) / len(values)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the SFT quickstart has run."""
    made = tmp_path_factory.mktemp("quickstart")
    done = train("sft.yaml", made)
    assert done.returncode == 0, done.stdout + done.stderr
    return made


@pytest.mark.xdist_group("quickstart")
def test_sft_brings_the_loss_below_a_third(folder: Path) -> None:
    losses = logged(folder, "quickstart-sft", "loss")
    assert losses[-1] < losses[0] / 3


@pytest.mark.xdist_group("quickstart")
def test_dpo_learns_which_answer_is_preferred(folder: Path) -> None:
    done = train("dpo.yaml", folder)
    assert done.returncode == 0, done.stdout + done.stderr
    accuracies = logged(folder, "quickstart-dpo", "rewards/accuracies")
    assert mean(accuracies[-3:]) > 0.85
    held_out = logged(folder, "quickstart-dpo", "eval_loss")
    assert held_out[-1] < held_out[0] < 0.69  # ln 2, the loss of a model that knows no preference


@pytest.mark.xdist_group("quickstart")
def test_grpo_raises_the_mean_reward_by_a_fifth(folder: Path) -> None:
    done = train("grpo.yaml", folder)
    assert done.returncode == 0, done.stdout + done.stderr
    rewards = logged(folder, "quickstart-grpo", "reward")
    tenth = max(len(rewards) // 10, 1)
    assert mean(rewards[-tenth:]) - mean(rewards[:tenth]) >= 0.2


def test_grpo_without_the_sft_model_says_which_command_makes_it(tmp_path: Path) -> None:
    done = train("grpo.yaml", tmp_path)
    assert done.returncode == 1
    assert "models/quickstart-sft" in done.stderr
    assert "./scripts/run_training.sh --config recipes/quickstart/sft.yaml --num-gpus 0" in done.stderr
    assert not (tmp_path / "models").exists()
    assert not (tmp_path / "logs").exists()


@pytest.mark.parametrize("name", ["sft", "dpo", "grpo"])
def test_a_quickstart_lints_without_a_finding(name: str) -> None:
    from recipe_engine.lint import check

    assert check(RECIPES / f"{name}.yaml").diagnostics == ()
