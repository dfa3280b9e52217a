"""A scorer as TRL calls it: on the rows that it applies to, on the answer alone, its failures told or scored."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from numbers import Real
from typing import Any

from transformers import PreTrainedTokenizerBase

from recipe_engine.diagnostics.redact import redact
from recipe_engine.recipe.rewards import Reward
from recipe_engine.recipe.rewards.base import AnswerReward
from recipe_engine.runtime.errors import RunError
from recipe_engine.runtime.rewards.answers import NULL_TEXT, splitter, with_tags, with_text
from recipe_engine.runtime.rewards.cells import column
from recipe_engine.runtime.rewards.context import RewardContext
from recipe_engine.runtime.rewards.scores import NO_SCORE, PER_CALL, Failed, Scored, Scorer
from recipe_engine.runtime.rewards.text import Completions

_OURS = frozenset({"mean", "std", "failed", "malformed"})
"""Metrics of every reward, TRL's and ours: a part of a user's reward that is called so is logged as ``own_...``."""

TrlReward = Callable[..., list[float | None]]


@dataclass(slots=True)
class Given:
    """What a completion got of a reward."""

    score: float | None = None
    """None where the reward does not apply to the completion."""
    parts: dict[str, float] = field(default_factory=dict)
    """Numbers beside the score, by the names that they are logged by."""
    failed: str | None = None
    """Why it could not be scored: the score is then that of ``on_error``."""
    malformed: bool | None = None
    """Whether it lacks the tags of its answer; none where that was not looked at."""


Apply = Callable[[Completions, Mapping[str, Any]], list[Given]]
"""Scores completions, with ``prompts`` and the columns of their rows."""


def for_trl(reward: Reward, scorer: Scorer, run: RewardContext, tokenizer: PreTrainedTokenizerBase | None) -> TrlReward:
    """The function that TRL is given. It returns None for a completion that gets no score from this reward."""
    restored = with_tags(run, tokenizer)
    apply = applied(reward, scorer, run)

    def score(*, prompts: Sequence[Any], completions: Completions, **columns: Any) -> list[float | None]:
        log = columns.get("log_metric") or (lambda name, value: None)
        completions = restored(completions, columns.get("completion_ids"))
        given = apply(completions, {"prompts": prompts, **columns})
        _log(log, reward, given)
        return [one.score for one in given]

    score.__name__ = reward.label  # TRL names the metric after the function
    return score


def applied(reward: Reward, scorer: Scorer, run: RewardContext) -> Apply:
    """A scorer on the rows that it applies to, on the answer alone, its failures told or scored.

    Completions are those of training: where the prompt ends with the opening tag, they begin after it.
    """
    separated = _separator(reward, run)

    def apply(completions: Completions, columns: Mapping[str, Any]) -> list[Given]:
        given = [Given() for _ in completions]
        chosen = _rows_of(reward, columns, len(completions))
        if not chosen:
            return given
        texts, known, malformed = separated([completions[index] for index in chosen])
        for place, missing in enumerate(malformed):
            given[chosen[place]].malformed = missing
        asked = [place for place in range(len(chosen)) if place not in known]
        results: dict[int, Any] = {chosen[place]: result for place, result in known.items()}
        indexes = [chosen[place] for place in asked]
        theirs = columns if len(indexes) == len(completions) else _subset(columns, indexes)
        scores = _called(reward, scorer, [texts[place] for place in asked], theirs)
        results.update(zip(indexes, scores, strict=True))
        for index, result in sorted(results.items()):
            _take(reward, result, given[index], columns, index)
        return given

    return apply


def _rows_of(reward: Reward, columns: Mapping[str, Any], count: int) -> list[int]:
    """The places of the completions that the reward applies to."""
    if reward.only is None:
        return list(range(count))
    cells = column(columns, reward.only.column, count)
    return [index for index, value in enumerate(cells) if applies(reward, value)]


def applies(reward: Reward, value: Any) -> bool:
    """Whether a row with this value in the column of ``only`` is scored. 1 and true are different values."""
    if reward.only is None:
        return True
    return any(value == wanted and isinstance(value, bool) == isinstance(wanted, bool) for wanted in reward.only.values)


def _subset(columns: Mapping[str, Any], indexes: Sequence[int]) -> dict[str, Any]:
    return {
        name: values if name in PER_CALL or values is None else [values[index] for index in indexes]
        for name, values in columns.items()
    }


Separated = tuple[list[Any], dict[int, Any], list[bool]]
"""What to score, the results that are known without scoring by their place, and for each whether it is malformed."""


def _separator(reward: Reward, run: RewardContext) -> Callable[[Completions], Separated]:
    """What tells the answers of completions from their thoughts, where the reward asks for it."""
    if run.thinking is None or not isinstance(reward, AnswerReward) or reward.part == "completion":
        return lambda completions: (list(completions), {}, [])
    parts_of, policy, fixed = splitter(run.thinking), getattr(reward, "malformed", "score"), reward.malformed_score

    def separate(completions: Completions) -> Separated:
        found = [parts_of(completion) for completion in completions]
        missing = [place for place, split in enumerate(found) if split.answer is None]
        given = [
            with_text(completion, NULL_TEXT if split.answer is None else split.answer)
            for completion, split in zip(completions, found, strict=True)
        ]
        known = {place: NO_SCORE if policy == "drop" else fixed for place in missing if policy != "null_text"}
        return given, known, [split.malformed for split in found]

    return separate


def _called(reward: Reward, scorer: Scorer, completions: list[Any], columns: Mapping[str, Any]) -> Sequence[Any]:
    """The scorer's results, one a completion. What goes wrong for all of them is a failure of each."""
    if not completions:
        return []
    try:
        scores = scorer(completions, columns)
        if hasattr(scores, "tolist"):  # an array or a tensor
            scores = scores.tolist()
        if not isinstance(scores, Sequence) or isinstance(scores, str):
            raise RunError(f"returned {type(scores).__name__}, not a list of numbers")
        if len(scores) != len(completions):
            raise RunError(f"returned {len(scores)} scores for {len(completions)} completions")
    except RunError as error:
        if reward.on_error == "error":
            message = f"reward {reward.label}: {error.message}"
            raise RunError(redact(f"{message}; {_row_shown(columns, 0)}"), error.hint or _HINT) from error
        return [Failed(error.message)] * len(completions)
    return scores


_HINT = "on_error: NUMBER in the reward would score what cannot be scored, and count it"


def _take(reward: Reward, result: Any, given: Given, columns: Mapping[str, Any], index: int) -> None:
    """Take a scorer's result over, or what a failure is worth.

    Raises:
        RunError: it is a failure, and those stop the run.
    """
    if result is NO_SCORE:
        return
    if isinstance(result, Scored):
        given.parts = {f"own_{name}" if name in _OURS else name: float(value) for name, value in result.parts.items()}
        result = result.score
    number = _number(result)
    if isinstance(number, Failed):
        if reward.on_error == "error":
            message = f"reward {reward.label}: {number.reason} for {_row_shown(columns, index)}"
            raise RunError(redact(message), _HINT)
        given.failed, number = number.reason, reward.on_error
    given.score = number


def _log(log: Any, reward: Reward, given: Sequence[Given]) -> None:
    """One call a completion, so that the mean over processes is that over completions."""
    name = f"rewards/{reward.label}"
    for one in given:
        if one.malformed is not None:
            log(f"{name}/malformed", float(one.malformed))
    scored = [one for one in given if one.score is not None]
    for one in scored:
        for part, value in one.parts.items():
            log(f"{name}/{part}", value)
    if reward.on_error != "error":
        for one in scored:
            log(f"{name}/failed", float(one.failed is not None))


def _number(score: Any) -> float | Failed:
    """TRL turns None into NaN and NaN into no advantage without a word; here each is a failure."""
    if isinstance(score, Failed):
        return score
    number = score.item() if hasattr(score, "item") else score  # a number of numpy's or torch's
    try:
        if isinstance(number, Real) and math.isfinite(number):
            return float(number)
    except OverflowError:  # an integer that no float holds
        return Failed("returned a number too large for a float")
    return Failed(f"returned {score!r}")


def _row_shown(columns: Mapping[str, Any], index: int) -> str:
    """The prompt and the row, short."""
    row = {
        name: values[index]
        for name, values in columns.items()
        if name not in PER_CALL | {"prompts", "completion_ids"} and isinstance(values, list) and index < len(values)
    }
    shown = json.dumps(row, ensure_ascii=False, default=str)
    prompt = str(columns["prompts"][index])[:200]
    return f"the prompt {prompt!r}" + (f" (row {shown[:300]})" if row else "")
