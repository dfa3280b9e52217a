"""The recipes of PPO and PRIME for real models: no finding on 8 GPUs, and what was meant is what is compiled."""

from __future__ import annotations

from pathlib import Path

import pytest

from recipe_engine.compile import Options, compile_recipe
from recipe_engine.compiled import CompiledRun
from recipe_engine.lint import check

ROOT = Path(__file__).resolve().parents[2]
RECIPES = sorted(file for name in ("ppo", "prime") for file in (ROOT / "recipes" / "training" / name).glob("*.yaml"))


def compiled(file: Path) -> CompiledRun:
    checked = check(file, gpus=8)
    assert checked.diagnostics == ()
    assert checked.recipe is not None
    assert checked.document is not None
    return compile_recipe(checked.recipe, checked.document, Options(gpus=8)).run


@pytest.mark.parametrize("file", RECIPES, ids=lambda file: file.stem)
def test_a_recipe_has_no_finding_and_names_a_deepspeed_file_that_is_there(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    run = compiled(file)
    assert Path(run.arguments["deepspeed"]).is_file()


def test_ppo_of_llama_has_the_settings_of_its_seed() -> None:
    run = compiled(ROOT / "recipes/training/ppo/llama3_8B_full.yaml")
    settings, arguments = run.settings, run.arguments
    assert (settings["gamma"], settings["lam"], settings["cliprange_value"]) == (1.0, 1.0, 0.5)
    assert (settings["critic_init"], settings["critic_learning_rate"]) == (None, 1e-5)
    assert (arguments["num_generations"], arguments["beta"], arguments["delta"]) == (1, 0.0, 3.0)
    assert arguments["per_device_train_batch_size"] * arguments["gradient_accumulation_steps"] * 8 == 512


def test_there_are_as_many_recipes_as_were_written() -> None:
    assert len(RECIPES) >= 3
