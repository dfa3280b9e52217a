"""The quickstarts of distillation and online DPO: they show learning, not motion."""

from __future__ import annotations

from pathlib import Path

from tests.e2e.support import gain, logged, mean, train, trained


def test_distill_brings_the_student_close_to_the_teacher_on_held_out_rows(after_sft: Path) -> None:
    trained("distill.yaml", after_sft)
    before, after = logged(after_sft, "quickstart-distill", "eval_kl")
    assert before > 3
    assert after < 0.2


def test_gkd_brings_the_student_close_to_the_teacher_on_held_out_rows(after_sft: Path) -> None:
    trained("gkd.yaml", after_sft)
    before, after = logged(after_sft, "quickstart-gkd", "eval_kl/forward")
    assert before > 3
    assert after < 1
    shares = logged(after_sft, "quickstart-gkd", "on_policy")
    assert 0.2 < mean(shares) < 0.8


def test_minillm_lowers_the_reverse_kl_of_what_the_student_says_to_held_out_prompts(after_sft: Path) -> None:
    trained("minillm.yaml", after_sft)
    before, after = logged(after_sft, "quickstart-minillm", "eval_kl/reverse")
    assert before > 3
    assert after < 0.5


def test_online_dpo_raises_the_mean_reward_by_a_fifth(after_sft: Path) -> None:
    trained("online_dpo.yaml", after_sft)
    assert gain(logged(after_sft, "quickstart-online_dpo", "reward")) >= 0.2


def test_a_teacher_that_is_not_there_is_said_before_anything_is_loaded(tmp_path: Path) -> None:
    done = train("distill.yaml", tmp_path)
    assert done.returncode == 1
    assert "training.teacher_model: models/quickstart-sft does not exist" in done.stderr
    assert "./scripts/run_training.sh --config recipes/quickstart/sft.yaml --num-gpus 0" in done.stderr
    assert not (tmp_path / "models").exists()
