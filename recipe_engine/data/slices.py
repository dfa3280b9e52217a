"""A part of rows that are read one by one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from typing import TypeVar

T = TypeVar("T")


def sliced(rows: Callable[[], Iterator[T]], part: tuple[int, int] | None) -> Iterator[T]:
    """Some of the rows, counted on around the end; all of them where there is no ``part``.

    All rows are read once before: one that cannot be used is found by the first part, not by a later one.

    Args:
        rows: begins to read them, each time it is called.
        part: the first row, and the row after the last, of those that are taken.
    """
    if part is None:
        yield from rows()
        return
    first, last = part
    count = sum(1 for _ in rows())
    if count == 0:
        return
    place = first
    while place < last:
        begin = place % count
        taken = min(last - place, count - begin)
        yield from islice(rows(), begin, begin + taken)
        place += taken
