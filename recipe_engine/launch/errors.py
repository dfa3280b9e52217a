"""Why a run cannot be started."""

from __future__ import annotations


class LaunchError(Exception):
    """The run cannot be started here and now. ``code`` is a diagnostic's (T5xx)."""

    def __init__(self, code: str, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.hint = hint
