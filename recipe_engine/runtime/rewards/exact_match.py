"""1 where the completion is the reference answer, else 0."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from recipe_engine.compiled import CompiledRun
from recipe_engine.data.errors import RowError
from recipe_engine.recipe.rewards import ExactMatchReward
from recipe_engine.runtime.rewards.text import Completions, text_of


def make(
    settings: ExactMatchReward, run: CompiledRun
) -> Callable[[Completions, Mapping[str, Sequence[Any]]], list[float]]:
    """The scorer."""
    answer_in = extractor(settings.pattern)
    reference_in = extractor(settings.answer_pattern)

    def normal(text: str | None) -> str | None:
        return text if text is None else text.strip().casefold() if settings.ignore_case else text.strip()

    def score(completions: Completions, columns: Mapping[str, Sequence[Any]]) -> list[float]:
        pairs = zip(completions, columns[settings.answer_column], strict=True)
        found = ((normal(answer_in(text_of(text))), normal(reference_in(str(cell)))) for text, cell in pairs)
        return [float(answer is not None and answer == reference) for answer, reference in found]

    return score


def row_check(settings: ExactMatchReward) -> Callable[[Mapping[str, Any]], None]:
    """The check that a row holds a reference answer."""
    reference_in = extractor(settings.answer_pattern)
    column = settings.answer_column

    def check(row: Mapping[str, Any]) -> None:
        if row.get(column) is None:
            raise RowError(column, "is missing, and the reward exact_match compares with it")
        if not (reference_in(str(row[column])) or "").strip():
            found = repr(str(row[column])[:200])
            raise RowError(column, f"holds no reference answer for the reward exact_match: {found}")

    return check


def extractor(pattern: str | None) -> Callable[[str], str | None]:
    """A function that takes the first group of a pattern's last match in a text; without a pattern, the text."""
    if pattern is None:
        return lambda text: text
    expression = re.compile(pattern, re.DOTALL)

    def extract(text: str) -> str | None:
        found = list(expression.finditer(text))
        return found[-1].group(1) if found else None

    return extract
