"""Requests to services in the network: a key from the environment, a time limit, and another try where one may help."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import httpx

from recipe_engine.recipe.rewards.services import ServiceReward
from recipe_engine.runtime.posting import TRY_AGAIN, Posting, asked_to_wait

Job = TypeVar("Job")
Result = TypeVar("Result")

FIRST_WAIT = 0.5
LONGEST_WAIT = 30.0


class ServiceError(Exception):
    """A service gave no usable answer. The message holds no key."""


class Service:
    """Posts JSON to one address."""

    def __init__(self, settings: ServiceReward, url: str) -> None:
        """Read the key.

        Raises:
            RunError: the environment variable that should hold it is not set.
        """
        self.url = url
        self.settings = settings
        what = f"reward {settings.label}"
        self._posting = Posting(what, url, settings.api_key_env, settings.timeout, settings.concurrency)
        self.safe = self._posting.safe

    def post(self, body: dict[str, Any]) -> Any:
        """The JSON that the service answers.

        Raises:
            ServiceError: it does not answer, refuses, or answers something else.
        """
        for attempt in range(self.settings.retries + 1):
            wait = min(FIRST_WAIT * 2**attempt, LONGEST_WAIT) * (0.5 + random.random() / 2)  # not all at once again
            try:
                answer = self._posting.once(body)
            except httpx.HTTPError as error:
                problem = f"{type(error).__name__}: {error}"
            except httpx.InvalidURL as error:
                raise ServiceError(self.safe(f"{self.url}: {error}")) from None
            else:
                if answer.is_success:
                    return self._decoded(answer)
                problem = f"HTTP {answer.status_code}: {answer.text[:200]}"
                if answer.status_code < 500 and answer.status_code not in TRY_AGAIN:
                    break
                wait = max(wait, min(asked_to_wait(answer), LONGEST_WAIT))
            if attempt < self.settings.retries:
                time.sleep(wait)
        tried = "" if attempt == 0 else f" after {attempt + 1} attempts"
        raise ServiceError(self.safe(f"{self.url} gave no answer{tried}: {problem}"))

    def _decoded(self, answer: httpx.Response) -> Any:
        try:
            return answer.json()
        except ValueError:
            raise ServiceError(self.safe(f"{self.url} answered no JSON: {answer.text[:200]!r}")) from None


def at_once(count: int, work: Callable[[Job], Result], jobs: Sequence[Job]) -> list[Result]:
    """The results of ``work``, in order, ``count`` at the same time."""
    if not jobs:
        return []
    with ThreadPoolExecutor(min(count, len(jobs))) as threads:
        return list(threads.map(work, jobs))
