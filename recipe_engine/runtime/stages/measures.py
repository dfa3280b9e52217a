"""What an evaluation measures, each as sums over prompts: so a mean, and its interval, are of whole prompts.

A measure is a numerator and a denominator for each prompt; its value is the ratio of their sums. Needs no torch.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from recipe_engine.data.thinking import fault
from recipe_engine.recipe.thinking import ThinkingBlock

Row = Mapping[str, Any]
Part = tuple[float, float]
"""Numerator and denominator of one prompt."""

GRAM = 4
"""Words of the n-grams by which repetition is measured."""


@dataclass(slots=True)
class Group:
    """The completions of one prompt."""

    prompt_id: str
    source: str | None
    rows: list[Row] = field(default_factory=list)


def groups_of(rows: Iterable[Row], source_column: str) -> dict[str, Group]:
    """The rows by their prompts, in order."""
    groups: dict[str, Group] = {}
    for row in rows:
        source = row.get(source_column)
        group = groups.setdefault(row["prompt_id"], Group(row["prompt_id"], None if source is None else str(source)))
        group.rows.append(row)
    return groups


def measures(group: Group, thinking: ThinkingBlock | None, highest: float | None) -> dict[str, Part]:
    """Every measure of one prompt.

    Args:
        highest: the highest reward of any completion of the evaluation; none where nothing is rewarded.
    """
    rows, count = group.rows, float(len(group.rows))
    made: dict[str, Part] = {
        "eos": (sum(row["finish_reason"] == "stop" for row in rows), count),
        "clipped": (sum(row["finish_reason"] == "length" for row in rows), count),
        "repetition": (sum(repetition(text_in(row)) for row in rows), count),
    }
    counted = [row["completion_tokens"] for row in rows if row.get("completion_tokens") is not None]
    if counted:
        made["length.mean"] = (float(sum(counted)), float(len(counted)))
    if thinking is not None:
        made["well_formed"] = (sum(fault(thinking, text_in(row)) is None for row in rows), count)
    made |= _rewards("reward", [row.get("reward") for row in rows])
    names = dict.fromkeys(name for row in rows for name in row.get("rewards") or {})
    for name in names:
        made |= _rewards(f"rewards.{name}", [(row.get("rewards") or {}).get(name) for row in rows])
    rewards = [row["reward"] for row in rows if row.get("reward") is not None]
    if rewards and highest is not None:
        same = all(reward == rewards[0] for reward in rewards)
        made["groups.differ"] = (float(not same), 1.0)
        made["groups.all_zero"] = (float(same and rewards[0] == 0), 1.0)
        made["groups.all_maximal"] = (float(same and rewards[0] == highest), 1.0)
    return made


def _rewards(name: str, scores: Sequence[float | None]) -> dict[str, Part]:
    """mean@k and best@k of the completions that the reward applied to."""
    known = [score for score in scores if score is not None]
    if not known:
        return {}
    return {f"{name}.mean": (math.fsum(known) / len(known), 1.0), f"{name}.best": (max(known), 1.0)}


def text_in(row: Row) -> str:
    """The text of a row's completion."""
    completion = row["completion"]
    return completion if isinstance(completion, str) else "".join(str(one.get("content") or "") for one in completion)


def repetition(text: str) -> float:
    """The share of a text's n-grams of four words that stand in it before: 0 where it has none twice.

    1 - (different n-grams) / (n-grams), 0 for texts of fewer than four words. Where a text has no white space, its
    characters are taken for words.
    """
    words: Sequence[str] = text.split()
    if len(words) < 2:
        words = text.strip()
    grams = Counter(tuple(words[place : place + GRAM]) for place in range(len(words) - GRAM + 1))
    total = sum(grams.values())
    return 1 - len(grams) / total if total else 0.0


def highest_reward(rows: Iterable[Row]) -> float | None:
    """The highest reward of any row."""
    return max((row["reward"] for row in rows if row.get("reward") is not None), default=None)


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which a share of the values lies: that of rank ``ceil(share * n)``, from 1 on."""
    ordered = sorted(values)
    return ordered[max(math.ceil(share * len(ordered)), 1) - 1]
