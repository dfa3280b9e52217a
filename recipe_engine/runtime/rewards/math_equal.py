"""1 where the answer equals the reference as mathematics, else 0, by Math-Verify in processes with a time limit."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from recipe_engine.data.cells import cell
from recipe_engine.data.errors import RowError
from recipe_engine.recipe.rewards import MathReward
from recipe_engine.runtime.errors import RunError
from recipe_engine.runtime.rewards.cells import column
from recipe_engine.runtime.rewards.context import RewardContext
from recipe_engine.runtime.rewards.exact_match import reference_check
from recipe_engine.runtime.rewards.scores import Columns, RowCheck, Say, Scored, Scorer
from recipe_engine.runtime.rewards.text import Completions, extractor, text_of
from recipe_engine.runtime.rewards.workers import Workers

_SCRIPT = Path(__file__).with_name("math_worker.py")


def make(settings: MathReward, run: RewardContext, say: Say) -> Scorer:
    """The scorer.

    Raises:
        RunError: Math-Verify is not installed.
    """
    if find_spec("math_verify") is None:
        raise RunError(f"reward {settings.label}: the package math-verify is not installed")
    workers = Workers(_SCRIPT, settings.concurrency, settings.timeout)
    answer_in, reference_in = extractor(settings.pattern), extractor(settings.answer_pattern)

    def score(completions: Completions, columns: Columns) -> list[Scored]:
        references = column(columns, settings.answer_column, len(completions))
        pairs = [
            (reference_in(str(reference)) or "", answer_in(text_of(text)))
            for reference, text in zip(references, completions, strict=True)
        ]
        asked = list(dict.fromkeys(pair for pair in pairs if pair[1] is not None))
        equal = dict(zip(asked, workers.ask(asked), strict=True))
        return [_scored(False if pair[1] is None else equal[pair]) for pair in pairs]

    return score


def row_check(settings: MathReward, run: RewardContext) -> RowCheck:
    """The check that a row holds a reference that can be read as mathematics."""
    is_there = reference_check("math", settings.answer_column, settings.answer_pattern)
    workers = Workers(_SCRIPT, 1, settings.timeout)
    reference_in = extractor(settings.answer_pattern)

    def check(row: Mapping[str, Any]) -> None:
        is_there(row)
        text = reference_in(str(cell(row, settings.answer_column))) or ""
        if not workers.ask([(text, None)])[0]:
            raise RowError(settings.answer_column, f"holds what the reward math cannot read: {text[:200]!r}")

    return check


def _scored(equal: bool | None) -> Scored:
    """``equal`` is none where the comparison took too long."""
    return Scored(float(equal is True), {"timed_out": float(equal is None)})
