"""GRRM's ranking accuracy: the pairs of candidates that are ranked right, and how near the margins of scores are."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations, pairwise
from typing import Any

from recipe_engine.data.cells import cell
from recipe_engine.data.errors import RowError
from recipe_engine.recipe.rewards import RankingReward
from recipe_engine.runtime.rewards.cells import column
from recipe_engine.runtime.rewards.context import RewardContext
from recipe_engine.runtime.rewards.scores import Columns, RowCheck, Say, Scored, Scorer
from recipe_engine.runtime.rewards.text import Completions, text_of

NEAR = {0: 1.0, 1: 0.6, 2: 0.2}
"""What a pair is worth by the error of its margin."""
_PAIR = re.compile(r"\s*\"?([A-Z])\"?\s*:\s*(-?\d+)\s*")


@dataclass(frozen=True, slots=True)
class Judged:
    """Scores by letter, in the order of the ranking's tiers."""

    scores: dict[str, int]
    tiers: list[list[str]]


def make(settings: RankingReward, run: RewardContext, say: Say) -> Scorer:
    """The scorer."""

    def score(completions: Completions, columns: Columns) -> list[Scored]:
        truths = column(columns, settings.answer_column, len(completions))
        return [
            score_of(text_of(text), truth_of(truth), settings.min_score, settings.max_score)
            for text, truth in zip(completions, truths, strict=True)
        ]

    return score


def row_check(settings: RankingReward, run: RewardContext) -> RowCheck:
    """The check that a row holds the true scores of two candidates or more."""

    def check(row: Mapping[str, Any]) -> None:
        value = cell(row, settings.answer_column)
        if value is None:
            raise RowError(settings.answer_column, "is missing, and the reward ranking_accuracy compares with it")
        try:
            truth = truth_of(value)
        except ValueError as error:
            raise RowError(settings.answer_column, f"holds no true scores: {error}") from error
        if len(truth) < 2:
            raise RowError(settings.answer_column, "holds fewer than two candidates, so there is nothing to rank")

    return check


def truth_of(value: Any) -> dict[str, int]:
    """The true scores by letter.

    Raises:
        ValueError: it is no mapping, or JSON of one, from a capital letter to an integer.
    """
    mapping = json.loads(value) if isinstance(value, str) else value
    if not isinstance(mapping, Mapping):
        raise ValueError("it must be a mapping from letter to integer, or that as JSON")
    # Arrow fills a mapping with null where another row has a key.
    scores = {letter: score for letter, score in mapping.items() if score is not None}
    for letter, score in scores.items():
        if not re.fullmatch("[A-Z]", letter) or isinstance(score, bool) or not isinstance(score, int):
            raise ValueError(f"{letter!r}: {score!r} is not a capital letter with an integer")
    return scores


def score_of(text: str, truth: Mapping[str, int], low: int = 0, high: int = 10) -> Scored:
    """The score of an answer, 0 to 2: the share of right relations, and the mean nearness of margins, over all pairs.

    An answer that cannot be read, or does not judge exactly the candidates there are, scores 0 and is not valid.
    """
    judged = read(text, low, high)
    if judged is None or judged.scores.keys() != truth.keys():
        return Scored(0.0, {"valid": 0.0, "ranking": 0.0, "score": 0.0})
    given, right, near, pairs = judged.scores, 0, 0.0, 0
    for one, other in combinations(sorted(truth), 2):
        margin, true_margin = given[one] - given[other], truth[one] - truth[other]
        right += _sign(margin) == _sign(true_margin)
        near += NEAR.get(abs(margin - true_margin), 0.0)
        pairs += 1
    parts = {"valid": 1.0, "ranking": right / pairs, "score": near / pairs}
    return Scored(parts["ranking"] + parts["score"], parts)


def read(text: str, low: int, high: int) -> Judged | None:
    """The judgement at the end of an answer; none where it is not as asked for.

    From the end: a line of scores, a header, a line of the ranking, a header, and before them the reasoning. Each
    letter stands once, scores are within bounds, and the ranking agrees with the scores on every pair.
    """
    lines = [line.strip() for line in text.strip().splitlines() if line.strip()]
    if len(lines) < 5:
        return None
    *_, ranking_header, ranking_line, scores_header, scores_line = lines
    if "score" not in scores_header.lower() or "ranking" not in ranking_header.lower():
        return None
    scores, tiers = _scores(scores_line), _tiers(ranking_line)
    if scores is None or tiers is None:
        return None
    letters = [letter for tier in tiers for letter in tier]
    if len(set(letters)) != len(letters) or set(letters) != scores.keys():
        return None
    if not all(low <= score <= high for score in scores.values()):
        return None
    values = [{scores[letter] for letter in tier} for tier in tiers]
    if any(len(value) != 1 for value in values):
        return None
    in_order = [value.pop() for value in values]
    if any(above <= below for above, below in pairwise(in_order)):
        return None
    return Judged(scores, tiers)


def _scores(line: str) -> dict[str, int] | None:
    if not (line.startswith("{") and line.endswith("}")):
        return None
    scores: dict[str, int] = {}
    for part in line[1:-1].split(","):
        found = _PAIR.fullmatch(part)
        if found is None or found[1] in scores or len(found[2]) > 9:
            return None
        scores[found[1]] = int(found[2])
    return scores


def _tiers(line: str) -> list[list[str]] | None:
    tiers = [[letter.strip() for letter in tier.split("=")] for tier in line.split(">")]
    return tiers if all(re.fullmatch("[A-Z]", letter) for tier in tiers for letter in tier) else None


def _sign(number: int) -> int:
    return (number > 0) - (number < 0)
