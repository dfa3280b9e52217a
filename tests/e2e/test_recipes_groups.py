"""The recipes of the GRPO family for real models: right on 8 GPUs, with the sizes that their sources have."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from recipe_engine.algorithms.batch import batch_of, round_of
from recipe_engine.compile import Options, compile_recipe
from recipe_engine.compiled import CompiledRun
from recipe_engine.lint import check
from recipe_engine.plan.steps import argument_of

ROOT = Path(__file__).resolve().parents[2]
# recipe: prompts of a rollout, of an update, completions of each
SIZES = {
    "grpo/llama3_8B_warm_start": (64, 64, 8),
    "grpo/qwen3_8B_full": (1024, 256, 5),
    "gspo/qwen2.5_7B_ranking": (512, 128, 8),
    "dapo/qwen2.5_7B_full": (512, 32, 16),
    "dr_grpo/qwen2.5_7B_full": (128, 128, 8),
    "cispo/qwen3_8B_full": (256, 64, 8),
    "rloo/llama3_8B_full": (128, 128, 4),
    "reinforce_plus_plus/llama3_8B_full": (512, 512, 1),
    "reinforce_plus_plus_baseline/qwen3_8B_full": (128, 128, 8),
    "remax/llama3_8B_full": (512, 512, 1),
    "opo/qwen2.5_7B_full": (256, 256, 8),
    "gpg/qwen2.5_7B_full": (128, 128, 8),
}


def compiled(name: str, gpus: int) -> CompiledRun:
    checked = check(ROOT / "recipes" / "training" / f"{name}.yaml", gpus=gpus)
    assert checked.diagnostics == ()
    assert checked.recipe is not None
    assert checked.document is not None
    return compile_recipe(checked.recipe, checked.document, Options(gpus=gpus)).run


@pytest.fixture(autouse=True)
def _in_the_repository(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)  # from where the DeepSpeed file is found


@pytest.mark.parametrize("gpus", [8, 16])
@pytest.mark.parametrize(("name", "sizes"), SIZES.items(), ids=SIZES)
def test_sizes_in_prompts_hold_for_any_number_of_gpus(name: str, sizes: tuple[int, int, int], gpus: int) -> None:
    run = compiled(name, gpus)
    argument = partial(argument_of, run)
    sampling, batch = round_of(argument, gpus), batch_of(argument, gpus)
    assert (sampling.prompts, batch.effective // sampling.group, sampling.group) == sizes


def test_the_ranking_recipe_has_the_settings_of_its_source() -> None:
    run = compiled("gspo/qwen2.5_7B_ranking", 16)
    expected = {
        "epsilon": 3e-4,
        "epsilon_high": 4e-4,
        "learning_rate": 1e-5,
        "lr_scheduler_type": "cosine_with_min_lr",
        "lr_scheduler_kwargs": {"min_lr_rate": 0.2},
        "importance_sampling_level": "sequence",
        "loss_type": "grpo",
        "scale_rewards": "none",
        "beta": 0.0,
        "temperature": 1.0,
        "top_p": 1.0,
        "top_k": 0,
        "max_completion_length": 4096,
        "save_steps": 800,
        "eval_steps": 80,
        "eval_on_start": True,
        "num_train_epochs": 1,
        "vllm_gpu_memory_utilization": 0.5,
    }
    assert {name: argument_of(run, name) for name in expected} == expected
    assert (run.settings["eval_temperature"], run.settings["eval_top_p"]) == (1.0, 0.7)
    assert (run.data.max_prompt_length, run.data.overlong_rows) == (1600, "drop")
