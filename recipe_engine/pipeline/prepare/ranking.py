"""Translation rankings after GRRM: rows that teach the form, and rows that ask for a ranking of shuffled candidates.

The true scores are whole numbers from 0 to 10. Candidates are labelled A to H in the order of their list.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from random import Random
from string import ascii_uppercase
from typing import Any

from recipe_engine.data.cells import Row, cell, text_of
from recipe_engine.data.errors import RowError
from recipe_engine.pipeline.prepare.languages import name_of
from recipe_engine.pipeline.prepare.step import Apply, DroppedRow, StepContext
from recipe_engine.pipeline.prepare.verl import verl_row
from recipe_engine.recipe.stages.steps import RankingRlStep, RankingSftStep, RankingStep

MOST_CANDIDATES = 8
LEAST_SCORE, MOST_SCORE = 0, 10


@dataclass(frozen=True, slots=True)
class Group:
    """A source text and the candidates of one question, in the order of their letters."""

    source: str
    languages: tuple[str, str]
    texts: tuple[str, ...]
    scores: tuple[int, ...]

    def reordered(self, order: Sequence[int]) -> Group:
        """The candidates at these places, labelled anew: texts and scores together."""
        texts, scores = tuple(self.texts[i] for i in order), tuple(self.scores[i] for i in order)
        return Group(self.source, self.languages, texts, scores)


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


def question(group: Group) -> str:
    """What the model is asked."""
    source, target = group.languages
    candidates = "\n\n".join(
        f"Translation {letter}:\n```\n{text}\n```" for letter, text in zip(ascii_uppercase, group.texts, strict=False)
    )
    return (
        f"Below are a text in {source} and {len(group.texts)} translations of it into {target}. Compare the "
        "translations step by step: what each gets right, and what it gets wrong. Then rank them, and give each a "
        f"whole number from {LEAST_SCORE} (useless) to {MOST_SCORE} (perfect).\n\n"
        f"Text in {source}:\n```\n{group.source}\n```\n\n{candidates}\n\n"
        "End your answer with the two sections below. Write `>` between translations of different worth and `=` "
        "between those of the same.\n\n### Final Ranking:\nB > A = C\n\n### Scores:\n{B: 8, A: 5, C: 5}"
    )


def verdict(group: Group) -> str:
    """The ranking and the scores: by score, then by letter; ties by ``=``."""
    ranked = sorted(zip(group.scores, ascii_uppercase, strict=False), key=lambda one: (-one[0], one[1]))
    ranking = ranked[0][1]
    for (before, _), (score, letter) in pairwise(ranked):
        ranking += f" {'=' if score == before else '>'} {letter}"
    scores = ", ".join(f"{letter}: {score}" for score, letter in ranked)
    return f"### Final Ranking:\n{ranking}\n\n### Scores:\n{{{scores}}}"


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
