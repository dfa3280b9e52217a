"""What the engine makes of distillation and online DPO: models named in settings, and what TRL must not do."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from .support import GRPO, SFT, compiled

DISTILL = SFT.replace("algorithm: sft", "algorithm: distill\n  teacher_model: {}")
GKD = DISTILL.replace("conversations", "alpaca").replace("distill", "gkd")


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_a_teacher_in_a_local_folder_becomes_absolute_and_a_hub_id_stays() -> None:
    Path("teacher").mkdir()
    assert compiled(DISTILL.format("./teacher")).settings["teacher_model"] == os.path.abspath("teacher")
    assert compiled(DISTILL.format("org/teacher")).settings["teacher_model"] == "org/teacher"


def test_gkd_samples_one_completion_of_each_prompt_and_its_config_allows_that() -> None:
    run = compiled(GKD.format("org/teacher"))
    assert run.arguments["num_generations"] == 1
    assert run.config_class == "recipe_engine.runtime.trainers.sampling:SamplingConfig"


@pytest.mark.parametrize("text", [GKD.format("org/teacher"), GRPO.replace("grpo", "online_dpo")])
def test_no_ratio_to_the_sampling_policy_is_worked_out_where_no_loss_reads_it(text: str) -> None:
    arguments = compiled(text).arguments
    assert arguments["vllm_importance_sampling_correction"] is False
    assert arguments["router_aux_loss_coef"] == 0
