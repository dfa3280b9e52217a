"""The quickstart recipes, run as a user runs them: they show learning, not motion."""

from __future__ import annotations

from pathlib import Path

import pytest

from recipe_engine.lint import check
from tests.e2e.support import RECIPES, gain, logged, mean, train, trained


def test_sft_brings_the_loss_below_a_third(sft_model: Path) -> None:
    losses = logged(sft_model, "quickstart-sft", "loss")
    assert losses[-1] < losses[0] / 3


def test_cpt_brings_the_loss_on_texts_that_it_was_not_trained_on_below_half(tmp_path: Path) -> None:
    trained("cpt.yaml", tmp_path)
    losses = logged(tmp_path, "quickstart-cpt", "loss")
    assert losses[-1] < losses[0] / 2
    held_out = logged(tmp_path, "quickstart-cpt", "eval_loss")
    assert held_out[-1] < held_out[0]
    assert held_out[-1] < losses[0] / 2


def test_dpo_learns_which_answer_is_preferred(after_sft: Path) -> None:
    trained("dpo.yaml", after_sft)
    accuracies = logged(after_sft, "quickstart-dpo", "rewards/accuracies")
    assert mean(accuracies[-3:]) > 0.85
    held_out = logged(after_sft, "quickstart-dpo", "eval_loss")
    assert held_out[-1] < held_out[0] < 0.69  # ln 2, the loss of a model that knows no preference


def test_grpo_raises_the_mean_reward_by_a_fifth(after_sft: Path) -> None:
    trained("grpo.yaml", after_sft)
    assert gain(logged(after_sft, "quickstart-grpo", "reward")) >= 0.2


def test_grpo_without_the_sft_model_says_which_command_makes_it(tmp_path: Path) -> None:
    done = train("grpo.yaml", tmp_path)
    assert done.returncode == 1
    assert "models/quickstart-sft" in done.stderr
    assert "./scripts/run_training.sh --config recipes/quickstart/sft.yaml --num-gpus 0" in done.stderr
    assert not (tmp_path / "models").exists()
    assert not (tmp_path / "logs").exists()


@pytest.mark.parametrize("recipe", sorted(RECIPES.glob("*.yaml")), ids=lambda path: path.stem)
def test_a_quickstart_lints_without_a_finding(recipe: Path) -> None:
    assert check(recipe).diagnostics == ()
