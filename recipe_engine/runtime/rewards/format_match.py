"""1 where the completion matches a regular expression, else 0."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from recipe_engine.compiled import CompiledRun
from recipe_engine.recipe.rewards import FormatReward
from recipe_engine.runtime.rewards.text import Completions, text_of


def make(settings: FormatReward, run: CompiledRun) -> Callable[[Completions, Mapping[str, Sequence[Any]]], list[float]]:
    """The scorer."""
    pattern = re.compile(settings.pattern, re.DOTALL)
    match = pattern.fullmatch if settings.match == "full" else pattern.search

    def score(completions: Completions, columns: Mapping[str, Sequence[Any]]) -> list[float]:
        return [float(match(text_of(completion)) is not None) for completion in completions]

    return score
