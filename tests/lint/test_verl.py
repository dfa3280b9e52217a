"""verl's settings, where a recipe writes them under their short names: understood, or told what to write."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from recipe_engine.lint import Checked
from recipe_engine.lint.dialects.verl import REMOVED, RENAMES
from recipe_engine.lint.dialects.verl_groups import SCHEMAS

from .support import check_overlay, codes, fixed, only

ABSENT = object()


def understood(folder: Path, text: str) -> Checked:
    """Check a recipe in which nothing but notes may be found."""
    checked = check_overlay(folder, text)
    assert set(codes(checked)) <= {"R206"}, checked.diagnostics
    assert checked.recipe is not None
    return checked


def training(lines: str, algorithm: str = "grpo") -> str:
    return f"training:\n  algorithm: {algorithm}\n" + "".join(f"  {line.strip()}\n" for line in lines.split(";"))


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ("train_batch_size: 64; ppo_mini_batch_size: 16", {"prompts_per_rollout": 64, "prompts_per_update": 16}),
        ("ppo_micro_batch_size_per_gpu: 16; ppo_epochs: 2", {"per_device_train_batch_size": 16, "num_iterations": 2}),
        ("n: 4", {"num_generations": 4}),
        ("rollout_n: 4", {"num_generations": 4}),
        ("clip_ratio_low: 0.1; clip_ratio_high: 0.3", {"epsilon": 0.1, "epsilon_high": 0.3}),
        ("clip_ratio_c: 3.0", {"delta": 3.0}),
        ("entropy_coeff: 0.001; grad_clip: 1.0", {"entropy_coef": 0.001, "max_grad_norm": 1.0}),
        ("top_k: -1; top_p: 0.9", {"top_k": 0, "top_p": 0.9}),
        ("norm_adv_by_std_in_grpo: false", {"scale_rewards": "none"}),
        ("norm_adv_by_std_in_grpo: true", {"scale_rewards": "group"}),
        ("adv_estimator: grpo", {"advantage_estimator": "group"}),
        ("adv_estimator: rloo", {"advantage_estimator": "rloo"}),
        ("adv_estimator: opo", {"advantage_estimator": "opo"}),
        ("loss_mode: vanilla", {"importance_sampling_level": "token"}),
        ("loss_mode: gspo", {"importance_sampling_level": "sequence", "loss_type": "grpo"}),
        ("loss_mode: gpg", {"importance_sampling": False}),
        (
            "loss_mode: cispo; clip_ratio_high: 0.28; loss_agg_mode: token-mean",
            {"loss_type": "cispo", "epsilon_high": 1.28},
        ),
        ("loss_agg_mode: token-mean", {"loss_type": "dapo"}),
        ("loss_agg_mode: seq-mean-token-mean", {"loss_type": "grpo"}),
        ("loss_agg_mode: seq-mean-token-sum-norm; norm_adv_by_std_in_grpo: false", {"loss_type": "dr_grpo"}),
        (
            "use_kl_loss: false; kl_loss_coef: 0.001; kl_loss_type: mse; use_kl_in_reward: false; kl_coef: 0.1",
            {"beta": 0},
        ),
        (
            "use_kl_loss: true; kl_loss_coef: 0.001; kl_loss_type: low_var_kl",
            {"beta": 0.001, "kl_type": "k3", "kl_in_reward": False, "use_bias_correction_kl": False},
        ),
        ("use_kl_loss: true; kl_loss_coef: 0.001; kl_loss_type: mse", {"beta": 0.001, "kl_type": "k2"}),
        (
            "use_kl_in_reward: true; kl_coef: 0.01; kl_penalty: kl; use_kl_loss: false",
            {"beta": 0.01, "kl_type": "k1", "kl_in_reward": True},
        ),
        ("lr_scheduler_type: cosine; min_lr_ratio: 0.2", {"lr_scheduler_type": "cosine_with_min_lr"}),
        ("warmup_style: cosine; min_lr_ratio: 0.2", {"lr_scheduler_kwargs": {"min_lr_rate": 0.2}}),
        ("lr_warmup_steps_ratio: 0.1; total_epochs: 1", {"warmup_steps": 0.1, "num_train_epochs": 1}),
        ("gpu_memory_utilization: 0.5; use_vllm: true", {"vllm_gpu_memory_utilization": 0.5}),
        (
            "tensor_model_parallel_size: 2; rollout_mode: sync",
            {"vllm_tensor_parallel_size": 2, "vllm_mode": "colocate"},
        ),
        ("max_response_length: 100", {"max_completion_length": 100}),
    ],
)
def test_what_is_equal_in_meaning_and_unit_is_understood(tmp_path: Path, lines: str, expected: dict[str, Any]) -> None:
    recipe = understood(tmp_path, training(lines)).recipe
    assert recipe is not None
    assert {name: recipe.argument(name, ABSENT) for name in expected} == expected


def test_evaluation_has_its_own_sampling(tmp_path: Path) -> None:
    evaluated = "data: {eval_holdout: 8}\n" + training(
        "val_before_train: true; eval_strategy: epoch; val_kwargs: {temperature: 0.6, top_p: 0.7, top_k: -1, n: 4}"
    )
    recipe = understood(tmp_path, evaluated).recipe
    assert recipe is not None
    names = ("eval_on_start", "eval_temperature", "eval_top_p", "eval_top_k", "num_generations_eval")
    assert [recipe.argument(name) for name in names] == [True, 0.6, 0.7, 0, 4]


def test_evaluation_that_does_not_sample_is_greedy(tmp_path: Path) -> None:
    for lines in ("val_kwargs: {temperature: 1.0, do_sample: false}", "val_temperature: 1.0; val_do_sample: false"):
        text = "data: {eval_holdout: 8}\n" + training(f"eval_strategy: epoch; {lines}")
        recipe = understood(tmp_path, text).recipe
        assert recipe is not None
        assert recipe.argument("eval_temperature") == 0


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ("filter_overlong_prompts: true", "drop"),
        ("filter_overlong_prompts: true, truncation: left", "drop"),
        ("truncation: left", "left"),
        ("truncation: error", "error"),
        ("filter_overlong_prompts: false, truncation: right", "right"),
        ("filter_overlong_prompts: false", "error"),
    ],
)
def test_overlong_prompts(tmp_path: Path, lines: str, expected: str) -> None:
    text = f"data: {{max_prompt_length: 64, {lines}}}\n" + training("learning_rate: 1e-6")
    recipe = understood(tmp_path, text).recipe
    assert recipe is not None
    assert recipe.data.overlong_rows == expected


def test_sizes_and_lengths_of_the_data_block_belong_to_training_here(tmp_path: Path) -> None:
    text = "data: {train_batch_size: 64, max_response_length: 100}\n" + training("n: 4")
    recipe = understood(tmp_path, text).recipe
    assert recipe is not None
    assert recipe.argument("prompts_per_rollout") == 64
    assert recipe.argument("max_completion_length") == 100


@pytest.mark.parametrize(
    ("lines", "hint"),
    [
        ("save_freq: 200", "write save_strategy: steps and save_steps: 200 x the updates of a rollout"),
        (
            "train_batch_size: 512; ppo_mini_batch_size: 128; save_freq: 200",
            "write save_strategy: steps and save_steps: 800 (200 rollouts of 4 updates each)",
        ),
        (
            "train_batch_size: 512; ppo_mini_batch_size: 128; test_freq: 20",
            "write eval_strategy: steps and eval_steps: 80 (20 rollouts of 4 updates each)",
        ),
        (
            "train_batch_size: 64; ppo_mini_batch_size: 64; ppo_epochs: 2; total_training_steps: 10",
            "write max_steps: 20 (10 rollouts of 2 updates each)",
        ),
        (
            "prompts_per_rollout: 64; prompts_per_update: 32; lr_warmup_steps: 5",
            "write warmup_steps: 10 (5 rollouts of 2 updates each)",
        ),
        ("save_freq: -1", "write save_strategy: 'no'"),
        ("use_kl_loss: true; use_kl_in_reward: true", "write one beta, and kl_in_reward: true or false"),
        ("kl_loss_coef: 0.1", "write beta, or use_kl_loss: true with it"),
        ("use_kl_loss: true", "write beta: the weight of the penalty (verl's kl_loss_coef)"),
        ("use_kl_loss: true; kl_loss_coef: 0.1; kl_loss_type: full", "write kl_type: k3, k2, k1, abs"),
        ("loss_mode: clip_cov", "write loss_type and importance_sampling_level"),
        ("loss_agg_mode: seq-mean-token-sum", "write loss_type: one of dapo, grpo, dr_grpo"),
        ("min_lr_ratio: 0.2", "write lr_scheduler_type: cosine with it, or leave it out: only a cosine ends above 0"),
        ("adv_estimator: gae", "write algorithm: ppo"),
        ("val_batch_size: 4", "write per_device_eval_batch_size, which counts completions on each process"),
        (
            "val_kwargs: {seed: 4}",
            "write eval_temperature, eval_top_p, eval_top_k or num_generations_eval",
        ),
        ("use_kl_loss: true; kl_loss_coef: high", "write beta, a number"),
        ("use_kl_loss: 'on'; kl_loss_coef: 0.1", "write true or false"),
        ("loss_mode: gspo; clip_ratio_high: null", "write epsilon_high, a number"),
        ("min_lr_ratio: 3; lr_scheduler_type: cosine", "write a share of the peak"),
        ("val_kwargs: 4", "write eval_temperature, eval_top_p, eval_top_k and num_generations_eval"),
    ],
)
def test_what_is_not_equal_is_an_error_that_says_what_to_write(tmp_path: Path, lines: str, hint: str) -> None:
    found = only(check_overlay(tmp_path, training(lines)), "R207")
    assert (found.severity, found.hint) == ("error", hint)


def test_a_prompt_is_not_cut_in_its_middle(tmp_path: Path) -> None:
    found = only(check_overlay(tmp_path, "data: {truncation: middle}\n" + training("n: 4")), "R207")
    assert "left, right, error or drop" in str(found.hint)


@pytest.mark.parametrize("block", ["actor_rollout_ref", "algorithm", "trainer"])
def test_a_block_of_verl_is_told_where_its_settings_go(tmp_path: Path, block: str) -> None:
    found = only(check_overlay(tmp_path, f"{block}: {{x: 1}}\n" + training("n: 4")), "R207")
    assert "in the training block" in str(found.hint)


def test_a_fix_writes_the_key_and_the_value(tmp_path: Path) -> None:
    text = training("norm_adv_by_std_in_grpo: false; top_k: -1")
    checked = check_overlay(tmp_path, text)
    fixes = [found.fix for found in checked.diagnostics if found.fix is not None]
    for fix in fixes:
        text = fixed("extends: base.yaml\n" + text, fix).partition("\n")[2]
    assert text == training("scale_rewards: none; top_k: 0")


def test_two_spellings_of_one_setting_may_not_disagree(tmp_path: Path) -> None:
    for lines in ("n: 4; num_generations: 8", "loss_agg_mode: token-mean; loss_type: grpo"):
        assert only(check_overlay(tmp_path, training(lines)), "R207").severity == "error"


@pytest.mark.parametrize("value", ["[1, 2]", "{a: 1}", "null", "x", "1.5", "true", ".nan"])
def test_no_value_of_a_foreign_key_breaks_the_linter(tmp_path: Path, value: str) -> None:
    keys = {path[1] for path in SCHEMAS} | {"save_freq", "val_do_sample"}
    keys |= {one.old[1] for one in RENAMES} | {one.key[-1] for one in REMOVED}
    for key in sorted(keys):
        check_overlay(tmp_path, training(f"{key}: {value}"))
        check_overlay(tmp_path, f"data: {{{key}: {value}}}\n" + training("seed: 1"))
