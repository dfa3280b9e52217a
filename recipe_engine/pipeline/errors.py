"""Why a pipeline cannot go on."""

from __future__ import annotations


class PipelineError(Exception):
    """A stage cannot be run, or has come to nothing. ``code`` is a diagnostic's (P2xx)."""

    def __init__(self, code: str, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.hint = hint
