"""The source line that a finding is about, and the carets under it."""

from __future__ import annotations

from collections.abc import Iterable

from recipe_engine.diagnostics.visible import columns, visible

TAB = "    "
CUT = "..."


def excerpt(line: str, start: int, end: int, width: int) -> tuple[str, str]:
    """Return ``line`` as a terminal can show it, and carets under ``line[start:end]``, at least one.

    Both are about ``width`` columns long at most: of a longer line, what stands around the carets.
    """
    # A line may be a MiB long. What is further away than this cannot be shown, so it need not be looked at.
    before = [_shown(char) for char in line[max(0, start - width) : start]]
    inside = _head([_shown(char) for char in line[start : min(end, start + width)]], width)
    complete = start + len(inside) == end
    after = [_shown(char) for char in line[end : end + width]] if complete else []
    room = width - _columns(inside)
    before = _tail(before, max(room - _columns(after), room // 2))
    after = _head(after, room - _columns(before))
    cut_before = CUT if len(before) < start else ""
    cut_after = CUT if start + len(inside) + len(after) < len(line) else ""
    text = "".join([cut_before, *before, *inside, *after, cut_after])
    margin = len(cut_before) + _columns(before)
    return text.rstrip(), " " * margin + "^" * max(1, _columns(inside))


def _shown(char: str) -> str:
    return TAB if char == "\t" else visible(char)


def _columns(cells: Iterable[str]) -> int:
    return sum(map(columns, cells))


def _head(cells: list[str], room: int) -> list[str]:
    """As many cells from the start as fit."""
    used = 0
    for index, cell in enumerate(cells):
        used += columns(cell)
        if used > room:
            return cells[:index]
    return cells


def _tail(cells: list[str], room: int) -> list[str]:
    return _head(cells[::-1], room)[::-1]
