"""Errors that are the run's, not the engine's: they are shown without a traceback."""

from __future__ import annotations


class RunError(Exception):
    """The run cannot start or go on. The message says what is wrong, ``hint`` what to do."""

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message, hint)  # both, so that the error survives the way back from another process
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return self.message


class StoppedError(Exception):
    """A signal ended training after a step, and a checkpoint was saved."""

    def __init__(self, signal: int, step: int) -> None:
        super().__init__(f"stopped after step {step}")
        self.signal = signal
        self.step = step
