"""The recipes for reward models and KTO on real models: no findings, and the settings that they are known by."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from recipe_engine.compile import Options, compile_recipe
from recipe_engine.compiled import CompiledRun
from recipe_engine.lint import check

ROOT = Path(__file__).resolve().parents[2]
GPUS = 8
RECIPES: dict[str, dict[str, Any]] = {
    "reward_model/llama3.1_8B.yaml": {"learning_rate": 9e-6, "center_rewards_coefficient": 0.01},
    "process_reward/mistral_7B.yaml": {"learning_rate": 1e-6, "save_steps": 500},
    "kto/llama3_8B.yaml": {"learning_rate": 5e-7},
}


def compiled(recipe: str, monkeypatch: pytest.MonkeyPatch) -> CompiledRun:
    monkeypatch.chdir(ROOT)
    checked = check(ROOT / "recipes" / "training" / recipe, gpus=GPUS)
    assert checked.diagnostics == ()
    assert checked.recipe is not None
    assert checked.document is not None
    return compile_recipe(checked.recipe, checked.document, Options(gpus=GPUS)).run


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_recipe_has_no_findings_and_compiles_to_what_it_is_known_by(
    recipe: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = compiled(recipe, monkeypatch)
    expected = RECIPES[recipe]
    assert {name: run.arguments[name] for name in expected} == expected
    batch = run.arguments["per_device_train_batch_size"] * run.arguments["gradient_accumulation_steps"] * GPUS
    assert batch == 256
    assert Path(run.arguments["deepspeed"]).is_file()


def test_math_shepherds_recipe_has_its_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    run = compiled("process_reward/mistral_7B.yaml", monkeypatch)
    assert (run.settings["placeholder_token"], run.settings["reward_tokens"]) == ("ки", ["+", "-"])
    assert run.data.max_length == 8192


def test_every_such_recipe_is_here() -> None:
    folders = {recipe.partition("/")[0] for recipe in RECIPES}
    found = {
        f"{folder}/{file.name}" for folder in folders for file in (ROOT / "recipes/training" / folder).glob("*.yaml")
    }
    assert found == set(RECIPES)
