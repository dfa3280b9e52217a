"""Each setting of a recipe has a considered verdict on what a change of it means for an unfinished run."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

from recipe_engine.algorithms import NAMES, algorithm
from recipe_engine.compiled import CompiledRun
from recipe_engine.launch.verdicts import VERDICTS, Verdict, verdict_on, verdicts_on
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


def test_what_the_documentation_says_of_a_change_is_so() -> None:
    text = (Path(__file__).parents[2] / "docs/running.md").read_text(encoding="utf-8")
    table = text[text.index("| a changed setting |") :].split("\n\n")[0].splitlines()[2:]
    told = [re.findall(r"`([\w.]+)`", row.split("|")[3]) for row in table]
    order: tuple[Verdict, ...] = ("harmless", "said", "fixed", "refused")
    assert [{verdict_on(name) for name in names} for names in told] == [{verdict} for verdict in order]
    assert {name for names in told for name in names} <= set(every_setting())
