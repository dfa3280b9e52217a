"""What a scorer gives for a completion: a number, a number with its parts, no score, or why there is none."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from recipe_engine.runtime.rewards.text import Completions

Columns = Mapping[str, Sequence[Any]]
"""The columns of the completions' rows, and ``prompts`` and ``completion_ids``; each holds one entry a completion."""
Scorer = Callable[[Completions, Columns], Sequence[Any]]
"""Scores completions: an entry for each, a number or one of the kinds below."""
RowCheck = Callable[[Mapping[str, Any]], None]
"""Raises ``RowError`` for a row that a reward could not score, whatever the completion."""
Say = Callable[[str], None]

PER_CALL = frozenset({"trainer_state", "log_extra", "log_metric", "environments"})
"""What TRL gives beside the columns: not one entry a completion."""


@dataclass(frozen=True, slots=True)
class Scored:
    """A score, and numbers that are logged beside it as ``rewards/<name>/<part>``."""

    score: Any
    parts: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Failed:
    """The completion could not be scored."""

    reason: str


class NoScore(Enum):
    """The reward does not apply to the completion."""

    NO_SCORE = "no score"


NO_SCORE = NoScore.NO_SCORE
