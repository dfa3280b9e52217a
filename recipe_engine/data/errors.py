"""What can be wrong with data, before any model is loaded."""

from __future__ import annotations


class DataError(Exception):
    """A dataset cannot be read or used.

    Attributes:
        code: the diagnostic's code (D4xx).
        setting: the key of the dataset's entry, or of the data block, that the error is about, such as
            ``prompt_column``.
        hint: what to write instead.
    """

    def __init__(self, code: str, message: str, *, setting: str = "name", hint: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.setting = setting
        self.hint = hint


class RowError(DataError):
    """One row cannot be rendered. ``row`` is filled in by whoever counts rows, from 1."""

    def __init__(self, column: str, message: str) -> None:
        super().__init__("D405", f"column `{column}` {message}")
        self.column = column
        self.row: int | None = None


class MissingColumnError(DataError):
    """A column that the recipe names, or that the format needs, is not in the dataset."""
