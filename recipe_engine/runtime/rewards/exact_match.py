"""1 where the completion is the reference answer, else 0."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from recipe_engine.compiled import CompiledRun
from recipe_engine.recipe.rewards import ExactMatchReward
from recipe_engine.runtime.errors import RunError
from recipe_engine.runtime.rewards.text import Completions, text_of


def make(
    settings: ExactMatchReward, run: CompiledRun
) -> Callable[[Completions, Mapping[str, Sequence[Any]]], list[float]]:
    """The scorer."""
    answer_in = extractor(settings.pattern)
    reference_in = extractor(settings.answer_pattern)

    def normal(text: str) -> str:
        return text.strip().casefold() if settings.ignore_case else text.strip()

    def score(completions: Completions, columns: Mapping[str, Sequence[Any]]) -> list[float]:
        if settings.answer_column not in columns:
            known = ", ".join(sorted(columns))
            raise RunError(f"reward exact_match: the rows have no column `{settings.answer_column}`; they have {known}")
        scores = []
        for completion, cell in zip(completions, columns[settings.answer_column], strict=True):
            reference = reference_in(str(cell))
            if reference is None:
                raise RunError(f"reward exact_match: answer_pattern does not match the answer {str(cell)[:200]!r}")
            answer = answer_in(text_of(completion))
            scores.append(float(answer is not None and normal(answer) == normal(reference)))
        return scores

    return score


def extractor(pattern: str | None) -> Callable[[str], str | None]:
    """A function that takes the first group of a pattern's last match in a text; without a pattern, the text."""
    if pattern is None:
        return lambda text: text
    expression = re.compile(pattern, re.DOTALL)

    def extract(text: str) -> str | None:
        found = list(expression.finditer(text))
        return found[-1].group(1) if found else None

    return extract
