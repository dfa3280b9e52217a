"""The recipes of distillation and online DPO for real models: no finding on eight GPUs, and they compile."""

from __future__ import annotations

from pathlib import Path

import pytest

from recipe_engine.compile import Options, compile_recipe
from recipe_engine.lint import check

ROOT = Path(__file__).resolve().parents[2]
NAMES = ("distill", "gkd", "minillm", "online_dpo")
RECIPES = sorted(file for name in NAMES for file in (ROOT / "recipes/training" / name).glob("*.yaml"))


def test_every_algorithm_has_one() -> None:
    assert {file.parent.name for file in RECIPES} == set(NAMES)


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda file: f"{file.parent.name}/{file.stem}")
def test_it_lints_without_a_finding_and_compiles(recipe: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    checked = check(recipe, gpus=8)
    assert checked.diagnostics == ()
    assert checked.recipe is not None
    assert checked.document is not None
    run = compile_recipe(checked.recipe, checked.document, Options(gpus=8)).run
    assert run.algorithm == recipe.parent.name
    assert run.processes == 8


def test_the_recipe_of_llama_2_has_the_published_hyperparameters(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    checked = check(ROOT / "recipes/training/distill/llama2_7B.yaml", gpus=8)
    assert checked.recipe is not None
    assert checked.document is not None
    run = compile_recipe(checked.recipe, checked.document, Options(gpus=8)).run
    arguments = run.arguments
    assert arguments["per_device_train_batch_size"] * arguments["gradient_accumulation_steps"] * run.processes == 256
    assert (arguments["learning_rate"], run.data.max_length, run.settings["kd_coef"]) == (5e-6, 4096, 0.4)
    assert run.settings["teacher_model"] == "meta-llama/Llama-2-13b-chat-hf"
