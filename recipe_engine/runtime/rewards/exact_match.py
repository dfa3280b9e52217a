"""1 where the completion is the reference answer, else 0."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from recipe_engine.data.cells import cell
from recipe_engine.data.errors import RowError
from recipe_engine.recipe.rewards import ExactMatchReward
from recipe_engine.runtime.rewards.cells import column
from recipe_engine.runtime.rewards.context import RewardContext
from recipe_engine.runtime.rewards.scores import Columns, RowCheck, Say, Scorer
from recipe_engine.runtime.rewards.text import Completions, extractor, text_of


def make(settings: ExactMatchReward, run: RewardContext, say: Say) -> Scorer:
    """The scorer."""
    answer_in = extractor(settings.pattern)
    reference_in = extractor(settings.answer_pattern)

    def normal(text: str | None) -> str | None:
        return text if text is None else text.strip().casefold() if settings.ignore_case else text.strip()

    def score(completions: Completions, columns: Columns) -> list[float]:
        pairs = zip(completions, column(columns, settings.answer_column, len(completions)), strict=True)
        found = ((normal(answer_in(text_of(text))), normal(reference_in(str(value)))) for text, value in pairs)
        return [float(answer is not None and answer == reference) for answer, reference in found]

    return score


def row_check(settings: ExactMatchReward, run: RewardContext) -> RowCheck:
    """The check that a row holds a reference answer."""
    return reference_check("exact_match", settings.answer_column, settings.answer_pattern)


def reference_check(reward: str, name: str, pattern: str | None) -> RowCheck:
    """The check that a row holds a text, or the match of a pattern, to compare with."""
    reference_in = extractor(pattern)

    def check(row: Mapping[str, Any]) -> None:
        value = cell(row, name)
        if value is None:
            raise RowError(name, f"is missing, and the reward {reward} compares with it")
        if not (reference_in(str(value)) or "").strip():
            raise RowError(name, f"holds no reference answer for the reward {reward}: {str(value)[:200]!r}")

    return check
