"""Several rewards at once, run as a user runs them."""

from __future__ import annotations

from pathlib import Path

from tests.e2e.support import gain, logged, train, trained


def test_every_reward_rises_and_is_logged_by_itself(after_sft: Path) -> None:
    trained("rewards.yaml", after_sft, "--allow-reward-code")
    run = "quickstart-rewards"
    assert gain(logged(after_sft, run, "reward")) >= 0.2
    assert gain(logged(after_sft, run, "rewards/exact_match/mean")) >= 0.15
    assert gain(logged(after_sft, run, "rewards/nearness/mean")) >= 0.05
    assert gain(logged(after_sft, run, "rewards/nearness/exact")) >= 0.1
    assert logged(after_sft, run, "rewards/format/mean")[-1] > 0.9
    assert max(logged(after_sft, run, "rewards/overlong_penalty/mean")) <= 0


def test_its_python_file_is_not_run_unasked(tmp_path: Path) -> None:
    done = train("rewards.yaml", tmp_path, "model.base_model_name=builtin/tiny-chat")
    assert done.returncode == 1
    assert "--allow-reward-code" in done.stderr
