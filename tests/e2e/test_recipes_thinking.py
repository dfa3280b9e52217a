"""The recipes for thinking models of real size: no findings, and what is run is what they say."""

from __future__ import annotations

from pathlib import Path

import pytest

from recipe_engine.compile import Options, compile_recipe
from recipe_engine.lint import check

ROOT = Path(__file__).resolve().parents[2]
RECIPES = sorted(ROOT.glob("recipes/training/*/*_thinking.yaml"))


def test_there_is_one_for_sft_and_one_for_dpo() -> None:
    assert {file.parent.name for file in RECIPES} >= {"sft", "dpo"}


@pytest.mark.parametrize("file", RECIPES, ids=lambda file: f"{file.parent.name}-{file.stem}")
def test_a_recipe_has_no_findings_on_eight_gpus_and_compiles(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    checked = check(file, gpus=8)
    assert checked.diagnostics == ()
    assert checked.recipe is not None
    assert checked.document is not None
    run = compile_recipe(checked.recipe, checked.document, Options(gpus=8)).run
    assert run.thinking is not None
    batch = run.arguments["per_device_train_batch_size"] * run.arguments.get("gradient_accumulation_steps", 1) * 8
    assert {"sft": 8, "dpo": 128}.get(run.algorithm, batch) == batch
