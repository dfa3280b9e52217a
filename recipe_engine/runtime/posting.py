"""One POST of JSON to a service: a key that stays out of every message, and a time limit for the whole of it."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx

from recipe_engine.diagnostics.redact import redact
from recipe_engine.runtime.errors import RunError

TRY_AGAIN = frozenset({408, 409, 425, 429})
"""Statuses below 500 after which the same request may succeed."""


class Posting:
    """Posts JSON to one address."""

    def __init__(self, what: str, url: str, key_variable: str | None, timeout: float, connections: int) -> None:
        """Read the key.

        Raises:
            RunError: the environment variable that should hold it is not set. ``what`` begins the message.
        """
        self.url = url
        self.timeout = timeout
        self._key = ""
        if key_variable is not None:
            self._key = os.environ.get(key_variable, "").strip()
            if not self._key:
                raise RunError(
                    f"{what}: the environment variable {key_variable} is not set",
                    hint="set it to the key of the service, or leave api_key_env out where it needs none",
                )
        headers = {"Authorization": f"Bearer {self._key}"} if self._key else {}
        try:
            limits = httpx.Limits(max_connections=connections)
            self.client = httpx.Client(headers=headers, timeout=timeout, limits=limits)
        except (ValueError, httpx.InvalidURL) as error:  # a key with a line break, a proxy that is none
            raise RunError(f"{what}: {self.safe(error)}") from None

    def once(self, body: dict[str, Any]) -> httpx.Response:
        """One request, within ``timeout`` from beginning to end: httpx's own limit is one between two packets.

        Raises:
            httpx.HTTPError: there is no answer.
            httpx.InvalidURL: the address is none.
        """
        deadline = time.monotonic() + self.timeout
        with self.client.stream("POST", self.url, json=body) as answer:
            received = bytearray()
            for chunk in answer.iter_bytes():
                received += chunk
                if time.monotonic() > deadline:
                    raise httpx.ReadTimeout(f"no whole answer within {self.timeout:g} s")
            return httpx.Response(answer.status_code, headers=_plain(answer.headers), content=bytes(received))

    def safe(self, text: object) -> str:
        """A text without the key or anything that looks like one."""
        plain = str(text)
        return redact(plain.replace(self._key, "*" * len(self._key)) if self._key else plain)


def asked_to_wait(answer: httpx.Response) -> float:
    """Seconds until the time of a ``Retry-After``; 0 where there is none that can be read."""
    given = answer.headers.get("retry-after", "0")
    try:
        return max(float(given), 0.0)
    except ValueError:
        pass
    try:
        when = parsedate_to_datetime(given)
    except ValueError:
        return 0.0
    when = when if when.tzinfo is not None else when.replace(tzinfo=UTC)
    return max((when - datetime.now(UTC)).total_seconds(), 0.0)


def _plain(headers: httpx.Headers) -> dict[str, str]:
    """Headers of a body that has been decompressed."""
    return {name: value for name, value in headers.items() if name.lower() not in {"content-encoding"}}
