"""The recipes for real models that train on pairs: checked and compiled for a node of 8 GPUs."""

from __future__ import annotations

from pathlib import Path

import pytest

from recipe_engine.compile import Options, compile_recipe
from recipe_engine.compiled import CompiledRun
from recipe_engine.lint import check

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("dpo", "orpo", "simpo", "cpo")
RECIPES = [file for folder in FOLDERS for file in sorted((ROOT / "recipes/training" / folder).glob("*.yaml"))]


@pytest.fixture(autouse=True)
def _in_the_checkout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


def compiled(file: Path) -> CompiledRun:
    checked = check(file, gpus=8)
    assert checked.diagnostics == ()
    assert checked.recipe is not None
    assert checked.document is not None
    return compile_recipe(checked.recipe, checked.document, Options(gpus=8)).run


@pytest.mark.parametrize("file", RECIPES, ids=lambda file: f"{file.parent.name}/{file.stem}")
def test_a_recipe_compiles_without_a_finding(file: Path) -> None:
    run = compiled(file)
    assert run.algorithm == file.parent.name
    assert Path(run.arguments.get("deepspeed") or __file__).is_file()


@pytest.mark.parametrize(
    ("file", "rows", "rate"),
    [
        ("dpo/llama3_8B_mixture", 256, 5e-7),
        ("dpo/llama3.1_8B_thinking", 128, 3e-7),
        ("orpo/llama3.1_8B", 64, 8e-6),
        ("simpo/llama3_8B", 128, 1e-6),
        ("cpo/qwen2.5_7B_lora", 128, 1e-4),
    ],
)
def test_the_batch_and_the_rate_are_those_of_its_source(file: str, rows: int, rate: float) -> None:
    run = compiled(ROOT / "recipes/training" / f"{file}.yaml")
    arguments = run.arguments
    per_step = arguments["per_device_train_batch_size"] * arguments["gradient_accumulation_steps"] * run.processes
    assert (per_step, arguments["learning_rate"]) == (rows, rate)
