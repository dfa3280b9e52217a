"""Why a run cannot be started."""

from __future__ import annotations


class LaunchError(Exception):
    """The run cannot be started here and now. ``code`` is a diagnostic's (T5xx)."""

    def __init__(self, code: str, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.hint = hint


def install_hint(extra: str) -> str:
    """What to type for packages of an extra that are not installed."""
    return f'in the checkout of recipe-engine: .venv/bin/pip install -e ".[{extra}]" -c constraints.txt'
