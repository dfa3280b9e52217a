"""Scores of a reward service: a POST of JSON for each batch of completions."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain
from typing import Any

from recipe_engine.data.errors import RowError
from recipe_engine.recipe.rewards import HttpReward
from recipe_engine.runtime.rewards.cells import column
from recipe_engine.runtime.rewards.context import RewardContext
from recipe_engine.runtime.rewards.scores import PER_CALL, Columns, Failed, RowCheck, Say, Scorer
from recipe_engine.runtime.rewards.service import Service, ServiceError, at_once
from recipe_engine.runtime.rewards.text import Completions, text_of

_NO_COLUMNS = PER_CALL | {"prompts", "completion_ids"}


def make(settings: HttpReward, run: RewardContext, say: Say) -> Scorer:
    """The scorer.

    Raises:
        RunError: the key is not there.
    """
    service = Service(settings, settings.url)

    def ask(body: dict[str, Any]) -> list[Any]:
        count = len(body["completions"])
        try:
            answer = service.post(body)
        except ServiceError as error:
            return [Failed(str(error))] * count
        scores = answer.get("scores") if isinstance(answer, dict) else None
        if not isinstance(scores, list) or len(scores) != count:
            what = f"{len(scores)} scores" if isinstance(scores, list) else "no list `scores`"
            return [Failed(f"{service.url} answered {what} for {count} completions")] * count
        return scores

    def score(completions: Completions, columns: Columns) -> list[Any]:
        names = settings.columns if settings.columns is not None else [n for n in columns if n not in _NO_COLUMNS]
        values = {name: column(columns, name, len(completions)) for name in names}
        size = settings.batch_size
        bodies = [
            {
                "prompts": list(columns["prompts"][start : start + size]),
                "completions": [text_of(completion) for completion in completions[start : start + size]],
                "columns": {name: cells[start : start + size] for name, cells in values.items()},
            }
            for start in range(0, len(completions), size)
        ]
        return list(chain.from_iterable(at_once(settings.concurrency, ask, bodies)))

    return score


def row_check(settings: HttpReward, run: RewardContext) -> RowCheck:
    """The check that a row holds the columns that are to be sent."""

    def check(row: Mapping[str, Any]) -> None:
        for name in settings.columns or ():
            if name not in row and name.partition(".")[0] not in row:
                raise RowError(name, f"is missing, and the reward {settings.label} sends it")

    return check
