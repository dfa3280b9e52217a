"""Why a run cannot be started."""

from __future__ import annotations

from collections.abc import Sequence


class LaunchError(Exception):
    """The run cannot be started here and now. ``code`` is a diagnostic's (T5xx).

    ``lines`` are what the message goes on to list, one a line: each is shown on its own, whatever values it holds.
    """

    def __init__(self, code: str, message: str, hint: str | None = None, lines: Sequence[str] = ()) -> None:
        super().__init__("\n    ".join([message, *lines]))
        self.code = code
        self.message = message
        self.hint = hint
        self.lines = tuple(lines)


def install_hint(extra: str) -> str:
    """What to type for packages of an extra that are not installed."""
    return f'in the checkout of recipe-engine: .venv/bin/pip install -e ".[{extra}]" -c constraints.txt'
