"""Names that verl, OpenRLHF and earlier TRL have for the settings of PPO and PRIME."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from .support import check_overlay, codes, only


@pytest.mark.parametrize(
    ("algorithm", "old", "new", "value"),
    [
        ("ppo", "critic_lr", "critic_learning_rate", 2e-5),
        ("ppo", "critic_pretrain", "critic_init", "models/rm"),
        ("ppo", "value_clip", "cliprange_value", 0.2),
        ("ppo", "lambd", "lam", 0.95),
        ("ppo", "num_ppo_epochs", "num_iterations", 4),
        ("ppo", "cliprange", "epsilon", 0.1),
        ("prime", "reward_dpo_coef", "process_reward_coef", 2.0),
        ("prime", "reward_gt_coef", "outcome_reward_coef", 2.0),
    ],
)
def test_what_means_the_same_is_understood(tmp_path: Path, algorithm: str, old: str, new: str, value: Any) -> None:
    checked = check_overlay(tmp_path, f"training: {{algorithm: {algorithm}, {old}: {value}}}")
    assert codes(checked) == ["R206"]
    assert checked.recipe is not None
    assert getattr(checked.recipe.settings, new) == value


@pytest.mark.parametrize(
    ("setting", "advice"),
    [
        ("critic_warmup: 10", "critic_warmup_steps, which counts optimizer steps"),
        ("freezing_actor_steps: 10", "critic_warmup_steps"),
        ("kl_ctrl: {type: adaptive, target_kl: 0.1}", "kl_controller: adaptive, target_kl (per token) and kl_horizon"),
        ("kl_target: 6.0", "kl_controller: adaptive"),
        ("init_kl_coef: 0.01", "write beta, with kl_in_reward: true"),
        ("vf_coef: 0.1", "critic_learning_rate of its own"),
        ("critic: {optim: {lr: 1e-5}}", "write critic_learning_rate, critic_init and cliprange_value"),
    ],
)
def test_of_the_rest_an_error_says_what_to_write(tmp_path: Path, setting: str, advice: str) -> None:
    found = only(check_overlay(tmp_path, f"training: {{algorithm: ppo, {setting}}}"), "R207")
    assert found.severity == "error"
    assert advice in str(found.hint)


def test_a_critic_without_ppo_is_an_error(tmp_path: Path) -> None:
    found = only(check_overlay(tmp_path, "training: {algorithm: grpo, critic_learning_rate: 1e-5}"), "R208")
    assert found.severity == "error"
    assert found.message == "`critic_learning_rate` is a setting of ppo; grpo does not take it"


@pytest.mark.parametrize(
    "setting", ["scale_rewards: group", "importance_sampling_level: token", "top_entropy_quantile: 0.2"]
)
def test_what_only_groups_need_is_an_error_under_ppo(tmp_path: Path, setting: str) -> None:
    assert codes(check_overlay(tmp_path, f"training: {{algorithm: ppo, {setting}}}")) == ["R208"]
