"""Requests to services in the network: a key from the environment, a time limit, and another try where one may help."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import httpx

from recipe_engine.diagnostics.redact import redact
from recipe_engine.recipe.rewards.services import ServiceReward
from recipe_engine.runtime.errors import RunError

Job = TypeVar("Job")
Result = TypeVar("Result")

FIRST_WAIT = 0.5
LONGEST_WAIT = 30.0
_TRY_AGAIN = {408, 409, 425, 429}


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
        self._key = ""
        if settings.api_key_env is not None:
            self._key = os.environ.get(settings.api_key_env, "").strip()
            if not self._key:
                raise RunError(
                    f"reward {settings.label}: the environment variable {settings.api_key_env} is not set",
                    hint="set it to the key of the service, or leave api_key_env out where it needs none",
                )
        headers = {"Authorization": f"Bearer {self._key}"} if self._key else {}
        try:
            limits = httpx.Limits(max_connections=settings.concurrency)
            self.client = httpx.Client(headers=headers, timeout=settings.timeout, limits=limits)
        except (ValueError, httpx.InvalidURL) as error:  # a key with a line break, a proxy that is none
            raise RunError(f"reward {settings.label}: {self.safe(error)}") from None

    def post(self, body: dict[str, Any]) -> Any:
        """The JSON that the service answers.

        Raises:
            ServiceError: it does not answer, refuses, or answers something else.
        """
        for attempt in range(self.settings.retries + 1):
            wait = min(FIRST_WAIT * 2**attempt, LONGEST_WAIT) * (0.5 + random.random() / 2)  # not all at once again
            try:
                answer = self._posted(body)
            except httpx.HTTPError as error:
                problem = f"{type(error).__name__}: {error}"
            except httpx.InvalidURL as error:
                raise ServiceError(self.safe(f"{self.url}: {error}")) from None
            else:
                if answer.is_success:
                    return self._decoded(answer)
                problem = f"HTTP {answer.status_code}: {answer.text[:200]}"
                if answer.status_code < 500 and answer.status_code not in _TRY_AGAIN:
                    break
                wait = max(wait, _asked_to_wait(answer))
            if attempt < self.settings.retries:
                time.sleep(wait)
        tried = "" if attempt == 0 else f" after {attempt + 1} attempts"
        raise ServiceError(self.safe(f"{self.url} gave no answer{tried}: {problem}"))

    def _posted(self, body: dict[str, Any]) -> httpx.Response:
        """One request, within ``timeout`` from beginning to end: httpx's own limit is one between two packets."""
        deadline = time.monotonic() + self.settings.timeout
        with self.client.stream("POST", self.url, json=body) as answer:
            received = bytearray()
            for chunk in answer.iter_bytes():
                received += chunk
                if time.monotonic() > deadline:
                    raise httpx.ReadTimeout(f"no whole answer within {self.settings.timeout:g} s")
            return httpx.Response(answer.status_code, headers=_plain(answer.headers), content=bytes(received))

    def _decoded(self, answer: httpx.Response) -> Any:
        try:
            return answer.json()
        except ValueError:
            raise ServiceError(self.safe(f"{self.url} answered no JSON: {answer.text[:200]!r}")) from None

    def safe(self, text: object) -> str:
        """A text without the key or anything that looks like one."""
        plain = str(text)
        return redact(plain.replace(self._key, "*" * len(self._key)) if self._key else plain)


def at_once(count: int, work: Callable[[Job], Result], jobs: Sequence[Job]) -> list[Result]:
    """The results of ``work``, in order, ``count`` at the same time."""
    if not jobs:
        return []
    with ThreadPoolExecutor(min(count, len(jobs))) as threads:
        return list(threads.map(work, jobs))


def _plain(headers: httpx.Headers) -> dict[str, str]:
    """Headers of a body that has been decompressed."""
    return {name: value for name, value in headers.items() if name.lower() not in {"content-encoding"}}


def _asked_to_wait(answer: httpx.Response) -> float:
    """Seconds of a ``Retry-After``; a date in it is left aside."""
    try:
        return min(max(float(answer.headers.get("retry-after", "0")), 0.0), LONGEST_WAIT)
    except ValueError:
        return 0.0
