"""The values of a JSON list, one after the other: the text is never in memory as a whole."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, TextIO

CHUNK = 1 << 20
"""Characters that are read at once."""
_ENDS = tuple(" \t\r\n,]")
"""What may follow a value."""


def list_values(stream: TextIO) -> Iterator[Any]:
    """The values of the list that a stream holds.

    Raises:
        ValueError: it is no JSON list. The message names the value, counted from 1.
    """
    window, number = _Window(stream), 1
    window.take("[", "a list begins with [")
    if window.peek() != "]":
        yield window.value(number)
        while window.peek() == ",":
            window.take(",", "")
            number += 1
            yield window.value(number)
    window.take("]", f"after row {number}, a comma or the end of the list is missing")
    if window.peek():
        raise ValueError(f"after row {number}, the list has ended and the file has not")


class _Window:
    """The part of a text that is being read."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._decoder = json.JSONDecoder()
        self._text = ""
        self._place = 0

    def peek(self) -> str:
        """The next character that is no white space; empty at the end."""
        while True:
            rest = len(self._text)
            while self._place < rest and self._text[self._place] in " \t\r\n":
                self._place += 1
            if self._place < rest:
                return self._text[self._place]
            if not self._read():
                return ""

    def take(self, character: str, otherwise: str) -> None:
        """Go past a character, which must be next."""
        if self.peek() != character:
            raise ValueError(otherwise)
        self._place += 1

    def value(self, number: int) -> Any:
        """The next value, which is ``number``."""
        self.peek()
        while True:
            try:
                found, end = self._decoder.raw_decode(self._text, self._place)
            except json.JSONDecodeError as error:
                if not self._read():
                    raise ValueError(f"row {number}: {error.msg}") from error
                continue
            if self._text[end : end + 1] not in _ENDS and self._read():  # a number may go on
                continue
            self._place = end
            return found

    def _read(self) -> bool:
        """Read on. As much again as is held, so that a long value is not tried too often."""
        kept = self._text[self._place :]
        further = self._stream.read(max(CHUNK, len(kept)))
        self._text, self._place = kept + further, 0
        return bool(further)
