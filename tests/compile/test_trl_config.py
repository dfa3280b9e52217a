"""What was planned is what runs: TRL takes the compiled arguments, and keeps their values; so do its own defaults."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from recipe_engine.compile import Compilation, Options, compile_recipe
from recipe_engine.lint import check
from recipe_engine.schemas import trl_arguments
from scripts import generate_trl_catalogue

ROOT = Path(__file__).parents[2]
RECIPES = sorted(ROOT.glob("recipes/[qt]*/**/*.yaml"))

# What the config works out in __post_init__, from other arguments or the device, where it is not given.
WORKED_OUT = {
    *("activation_checkpointing", "do_eval", "eval_steps", "steps_per_generation", "generation_batch_size"),
    *("dataloader_pin_memory", "pad_to_multiple_of", "num_generations_eval"),
}


def compilation(file: Path) -> Compilation:
    checked = check(file)
    assert checked.recipe is not None, checked.diagnostics
    assert checked.document is not None
    return compile_recipe(checked.recipe, checked.document, Options())


def planned(made: Compilation) -> dict[str, Any]:
    """The arguments, without a DeepSpeed file: the config loads DeepSpeed to read it, which needs a GPU."""
    return {name: value for name, value in made.run.arguments.items() if name != "deepspeed"}


def config_of(made: Compilation) -> Any:
    module, name = made.run.config_class.split(":")
    return getattr(import_module(module), name)(**planned(made))


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("file", RECIPES, ids=lambda file: str(file.relative_to(ROOT)))
def test_the_config_of_a_shipped_recipe_has_the_values_that_were_planned(file: Path) -> None:
    made = compilation(file)
    config = config_of(made)
    assert {name: getattr(config, name) for name in planned(made)} == planned(made)


@pytest.mark.parametrize("file", RECIPES, ids=lambda file: str(file.relative_to(ROOT)))
def test_what_is_not_planned_has_the_default_that_the_plan_shows(file: Path) -> None:
    made = compilation(file)
    config = config_of(made)
    for name, argument in trl_arguments(made.run.config).items():
        if name not in made.run.arguments and name not in WORKED_OUT:
            assert as_data(getattr(config, name)) == as_data(argument["default"]), name


def as_data(value: Any) -> Any:
    """Mappings of settings become objects of TRL's; an empty one and none are the same here."""
    if hasattr(value, "to_dict"):
        return None
    return value or None


def test_the_catalogue_is_that_of_the_installed_trl(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["generate_trl_catalogue.py", "--check"])
    assert generate_trl_catalogue.main() == 0
