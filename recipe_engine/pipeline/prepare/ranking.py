"""Translation rankings after GRRM: rows that teach the form, and rows that ask for a ranking of shuffled candidates.

The true scores are whole numbers from 0 to 10. Candidates are labelled A to H in the order of their list.
"""

from __future__ import annotations

import json
import math
from itertools import combinations
from random import Random
from string import ascii_uppercase
from typing import Any

from recipe_engine.data.cells import Row, cell, text_of
from recipe_engine.data.errors import RowError
from recipe_engine.data.rankings import LEAST_SCORE, MOST_CANDIDATES, MOST_SCORE, Group, question, verdict
from recipe_engine.pipeline.prepare.languages import name_of
from recipe_engine.pipeline.prepare.step import Apply, DroppedRow, StepContext
from recipe_engine.pipeline.prepare.verl import verl_row
from recipe_engine.recipe.stages.steps import RankingRlStep, RankingSftStep, RankingStep


def ranking_sft(settings: RankingSftStep, context: StepContext) -> Apply:
    """Messages: the question, and the analysis with the ranking and the scores below it."""

    def apply(row: Row, number: int) -> list[Row]:
        group = _group(settings, row)
        analysis = analysis_of(text_of(row.get(settings.analysis_column), settings.analysis_column))
        if not analysis:
            raise DroppedRow("an analysis of nothing but its verdict")
        answer = f"{analysis}\n\n{verdict(group)}"
        turns = [{"role": "user", "content": question(group)}, {"role": "assistant", "content": answer}]
        return [{"messages": turns}]

    return apply


def ranking_rl(settings: RankingRlStep, context: StepContext) -> Apply:
    """Rows in verl's form. The true scores are JSON by letter, in ``reward_model.ground_truth``.

    Subgroups are labelled anew and carry no analysis: that of the whole group speaks of other letters.
    """

    def apply(row: Row, number: int) -> list[Row]:
        whole = _group(settings, row)
        random = Random(f"{settings.seed}:{number}")
        groups = [whole]
        size = len(whole.texts)
        if settings.subgroup_augment and size > 2:
            parts = [part for count in range(2, size) for part in combinations(range(size), count)]
            random.shuffle(parts)
            groups += [whole.reordered(part) for part in parts[: settings.subgroup_augment]]
        made = [other for group in groups for other in _orders(group, settings.shuffle_augment, random)]
        extra = {"index": number, "split": settings.split}
        return [_rl_row(group, settings.data_source, {**extra, "variant": i}) for i, group in enumerate(made)]

    return apply


def _rl_row(group: Group, source: str, extra: Row) -> Row:
    truth = dict(zip(ascii_uppercase, group.scores, strict=False))
    prompt = [{"role": "user", "content": question(group)}]
    return verl_row(prompt, source, "ranking", json.dumps(truth), extra)


def _orders(group: Group, further: int, random: Random) -> list[Group]:
    """The group as it is, and up to ``further`` distinct other orders of it."""
    size = len(group.texts)
    wanted = min(further, math.factorial(size) - 1)
    chosen: dict[tuple[int, ...], None] = {tuple(range(size)): None}
    while len(chosen) <= wanted:
        chosen.setdefault(tuple(random.sample(range(size), size)))
    return [group.reordered(order) for order in chosen]


def analysis_of(text: str) -> str:
    """An analysis without its last line, where that gives the verdict away in a form of its own."""
    lines = text.strip().splitlines()
    if lines and any(word in lines[-1].lower() for word in ("score", "ranking")):
        lines = lines[:-1]
    return "\n".join(lines).strip()


def _group(settings: RankingStep, row: Row) -> Group:
    source = text_of(row.get(settings.source_column), settings.source_column)
    languages = tuple(
        name_of(text_of(row.get(column), column))
        for column in (settings.source_language_column, settings.target_language_column)
    )
    texts = _list(row, settings.candidates_column)
    scores = _list(row, settings.scores_column)
    if len(texts) != len(scores):
        raise RowError(settings.scores_column, f"holds {len(scores)} scores of {len(texts)} translations")
    if not 2 <= len(texts) <= MOST_CANDIDATES:
        raise RowError(
            settings.candidates_column, f"holds {len(texts)} translations; 2 to {MOST_CANDIDATES} are ranked"
        )
    for index, text in enumerate(texts):
        text_of(text, f"{settings.candidates_column}[{index}]")
    return Group(source, (languages[0], languages[1]), tuple(texts), tuple(map(_score(settings), scores)))


def _score(settings: RankingStep) -> Any:
    def checked(value: Any) -> int:
        whole = isinstance(value, int | float) and not isinstance(value, bool) and value == int(value)
        if not whole or not LEAST_SCORE <= value <= MOST_SCORE:
            bounds = f"a whole number from {LEAST_SCORE} to {MOST_SCORE}"
            raise RowError(settings.scores_column, f"holds {value!r}, which is not {bounds}")
        return int(value)

    return checked


def _list(row: Row, column: str) -> list[Any]:
    value = cell(row, column)
    if not isinstance(value, list):
        raise RowError(column, "is missing" if value is None else f"is {type(value).__name__}, not a list")
    return value
