"""Rewards of services in the network."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from recipe_engine.recipe.patterns import ADDRESS, VARIABLE
from recipe_engine.recipe.rewards.base import AnswerReward, Column

Address = Annotated[str, Field(pattern=ADDRESS)]
Variable = Annotated[str, Field(pattern=VARIABLE, max_length=100)]


class ServiceReward(AnswerReward):
    """What rewards of services have in common."""

    api_key_env: Variable | None = None
    """Name of the environment variable that holds the key, sent as ``Authorization: Bearer``. Default: no key."""
    timeout: Annotated[float, Field(gt=0, le=3600)] = 60.0
    """Seconds for one request."""
    retries: Annotated[int, Field(ge=0, le=20)] = 4
    """Further attempts after a 408, 429 or 5xx answer, a broken connection or a timeout, each after a longer wait."""
    concurrency: Annotated[int, Field(ge=1, le=1024)] = 8
    """Requests that are under way at the same time."""


class JudgeReward(ServiceReward):
    """The score that a language model gives, behind an OpenAI-compatible address."""

    type: Literal["judge"]
    """Asks a judge."""
    base_url: Address
    """Address of the service, as OpenAI's clients take it: ``https://host/v1``."""
    model: Annotated[str, Field(min_length=1)]
    """The model's name there."""
    prompt: Annotated[str, Field(min_length=1)]
    """What the judge is asked: a template over ``{prompt}``, ``{completion}`` and the row's columns. Braces that are
    meant literally are doubled."""
    system_prompt: str | None = None
    """System message of the judge."""
    pattern: Annotated[str, Field(min_length=1)] = r"(?i)score\W*?(-?\d+(?:\.\d+)?)"
    """Regular expression whose first group in the reply's last match is the score, a number."""
    min: float | None = None
    """Lowest score. A reply below it counts as a failure."""
    max: float | None = None
    """Highest score. A reply above it counts as a failure."""
    normalize: bool = False
    """Map ``min`` to 0 and ``max`` to 1."""
    temperature: Annotated[float, Field(ge=0, le=2)] | None = 0.0
    """Sampling temperature of the judge; null leaves it to the service."""
    max_tokens: Annotated[int, Field(ge=1)] = 512
    """Most tokens of a reply."""


class HttpReward(ServiceReward):
    """Scores of a reward service: a POST of JSON for each batch."""

    type: Literal["http"]
    """Asks a service: ``{"prompts", "completions", "columns"}`` is answered by ``{"scores": [...]}``."""
    url: Address
    """Address that is posted to."""
    columns: list[Column] | None = None
    """Columns of the row that are sent. Default: all."""
    batch_size: Annotated[int, Field(ge=1)] = 64
    """Completions in one request."""
