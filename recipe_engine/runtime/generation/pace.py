"""When the next request to a service may begin, and what it may still cost."""

from __future__ import annotations

import threading
import time

from recipe_engine.recipe.stages.generate import HttpEngine
from recipe_engine.runtime.errors import RunError

_MILLION = 1e6


class StopAskingError(Exception):
    """Another request ended the stage: this one is not made."""


class BudgetError(RunError):
    """The next request could cost more than may be spent."""


class Pace:
    """Keeps requests to so many a minute, and all of them away while the service asks for a pause."""

    def __init__(self, requests_per_minute: float | None) -> None:
        self._between = 60.0 / requests_per_minute if requests_per_minute else 0.0
        self._next = 0.0
        self._lock = threading.Lock()
        self._stopped = threading.Event()

    def wait(self) -> None:
        """Wait until a request may begin.

        Raises:
            StopAskingError: none may any more.
        """
        while True:
            with self._lock:
                now = time.monotonic()
                left = self._next - now
                if left <= 0:
                    self._next = now + self._between if self._between else self._next
                    break
            self.sleep(left)
        if self._stopped.is_set():
            raise StopAskingError

    def pause(self, seconds: float) -> None:
        """Let no request begin for some seconds."""
        with self._lock:
            self._next = max(self._next, time.monotonic() + seconds)

    def sleep(self, seconds: float) -> None:
        """Sleep.

        Raises:
            StopAskingError: no request may be made any more.
        """
        if self._stopped.wait(seconds):
            raise StopAskingError

    def stop(self) -> None:
        """Let no further request begin."""
        self._stopped.set()


class Budget:
    """What has been spent, and what requests that are under way may cost at most."""

    def __init__(self, settings: HttpEngine, spent: float) -> None:
        self.settings = settings
        self.spent = spent
        self._reserved = 0.0
        self._changed = threading.Condition()

    def dollars(self, input_tokens: float, output_tokens: float) -> float:
        """The price of tokens; 0 where no prices are given."""
        settings = self.settings
        price_in, price_out = settings.dollars_per_million_input or 0.0, settings.dollars_per_million_output or 0.0
        return (input_tokens * price_in + output_tokens * price_out) / _MILLION

    def reserve(self, most: float) -> None:
        """Set aside what a request may cost at most; wait for others where that does not fit beside them.

        Raises:
            BudgetError: it does not fit at all.
        """
        limit = self.settings.max_dollars
        if limit is None:
            return
        with self._changed:
            while self.spent + self._reserved + most > limit:
                if self._reserved == 0:
                    raise BudgetError(
                        f"engine.max_dollars: {self.spent:.4f} of {limit:g} dollars are spent, and the next request "
                        f"may cost {most:.4f}",
                        hint="raise it and start again: what was answered is kept, and not asked for twice",
                    )
                self._changed.wait()
            self._reserved += most

    def settle(self, reserved: float, cost: float) -> None:
        """Give back what was set aside, and count what a request did cost."""
        with self._changed:
            self.spent += cost
            if self.settings.max_dollars is not None:
                self._reserved = max(self._reserved - reserved, 0.0)
                if self._reserved < 1e-12:
                    self._reserved = 0.0
            self._changed.notify_all()
