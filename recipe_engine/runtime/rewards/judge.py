"""The score that a language model gives, behind an OpenAI-compatible address."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from recipe_engine.data.errors import RowError
from recipe_engine.data.templates import placeholders, render
from recipe_engine.recipe.rewards import JudgeReward
from recipe_engine.runtime.errors import RunError
from recipe_engine.runtime.rewards.cells import row_at
from recipe_engine.runtime.rewards.context import RewardContext
from recipe_engine.runtime.rewards.scores import PER_CALL, Columns, Failed, RowCheck, Say, Scorer
from recipe_engine.runtime.rewards.service import Service, ServiceError, at_once
from recipe_engine.runtime.rewards.text import Completions, extractor, prompt_text, text_of

_GIVEN = ("prompt", "completion")


def make(settings: JudgeReward, run: RewardContext, say: Say) -> Scorer:
    """The scorer.

    Raises:
        RunError: the key is not there, or the template names no completion.
    """
    service = Service(settings, f"{settings.base_url.rstrip('/')}/chat/completions")
    if "completion" not in _named(settings):
        raise RunError(f"reward {settings.label}: its prompt does not name {{completion}}")
    number_in = extractor(settings.pattern)

    def one(row: Mapping[str, Any]) -> float | Failed:
        messages = [{"role": "user", "content": render(settings.prompt, row)}]
        if settings.system_prompt is not None:
            messages.insert(0, {"role": "system", "content": settings.system_prompt})
        body = {"model": settings.model, "messages": messages, "max_tokens": settings.max_tokens}
        if settings.temperature is not None:
            body["temperature"] = settings.temperature
        try:
            return _number(number_in(_reply(service.post(body))), settings)
        except ServiceError as error:
            return Failed(str(error))

    def score(completions: Completions, columns: Columns) -> list[float | Failed]:
        rows = []
        for index, completion in enumerate(completions):
            row = {name: _shown(value) for name, value in row_at(columns, index, PER_CALL).items()}
            rows.append({**row, "prompt": prompt_text(columns["prompts"][index]), "completion": text_of(completion)})
        return at_once(settings.concurrency, one, rows)

    return score


def row_check(settings: JudgeReward, run: RewardContext) -> RowCheck:
    """The check that a row holds the columns that the judge is told."""
    names = [name for name in _named(settings) if name not in _GIVEN]

    def check(row: Mapping[str, Any]) -> None:
        for name in names:
            if row.get(name) is None:
                raise RowError(name, f"is missing, and the prompt of the reward {settings.label} names it")

    return check


def _named(settings: JudgeReward) -> tuple[str, ...]:
    try:
        return placeholders(settings.prompt)
    except ValueError as error:
        raise RunError(f"reward {settings.label}: prompt: {error}") from error


def _shown(value: Any) -> Any:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else value


def _reply(answer: Any) -> str:
    """The text of a chat completion.

    Raises:
        ServiceError: the answer is none.
    """
    try:
        content = answer["choices"][0]["message"]["content"]
    except (KeyError, IndexError, TypeError):
        raise ServiceError(f"the answer is no chat completion: {str(answer)[:200]!r}") from None
    if not isinstance(content, str):
        raise ServiceError("the reply holds no text")
    return content


def _number(found: str | None, settings: JudgeReward) -> float | Failed:
    """The score of a reply, checked and mapped."""
    if found is None:
        return Failed("the judge's reply holds no score")
    try:
        number = float(found)
    except ValueError:
        return Failed(f"the judge's reply holds no number where the score should be: {found[:60]!r}")
    low, high = settings.min, settings.max
    if not math.isfinite(number) or (low is not None and number < low) or (high is not None and number > high):
        return Failed(f"the judge's score {number:g} is out of range")
    if settings.normalize and low is not None and high is not None:
        return (number - low) / (high - low)
    return number
