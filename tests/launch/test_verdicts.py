"""Each setting of a recipe has a considered verdict on what a change of it means for an unfinished run."""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase

import pytest

from recipe_engine.algorithms import NAMES, algorithm
from recipe_engine.compiled import CompiledRun
from recipe_engine.launch.verdicts import VERDICTS, verdicts_on
from recipe_engine.recipe.base import Block
from recipe_engine.schemas import trl_arguments


def every_setting() -> Iterator[str]:
    """All that a compiled run can hold, by the names that a recipe gives it."""
    for name, field in CompiledRun.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, Block):
            yield from (f"{name}.{inner}" for inner in kind.model_fields)
        elif name not in {"arguments", "settings"}:
            yield name
    for chosen in map(algorithm, NAMES):
        yield from (f"training.{name}" for name in {*trl_arguments(chosen.config), *chosen.settings.model_fields})


@pytest.mark.parametrize("setting", sorted(set(every_setting())))
def test_a_setting_is_in_one_list(setting: str) -> None:
    assert len(verdicts_on(setting)) == 1, (
        f"{setting}: put it into one list of launch/verdicts.py: may it change in a run that is gone on with?"
    )


def test_nothing_is_listed_that_does_not_exist() -> None:
    settings = set(every_setting())
    listed = [pattern for patterns in VERDICTS.values() for pattern in patterns]
    assert [pattern for pattern in listed if not any(fnmatchcase(one, pattern) for one in settings)] == []
