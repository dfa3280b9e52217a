"""What reading a recipe yields: a plain tree, and a side table that says where every part of it was written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from recipe_engine.diagnostics import Span

Path = tuple[str | int, ...]
"""Keys and list indexes from the root down, such as ``("data", "datasets", 0, "name")``."""

Origin = Literal["file", "parent", "command line"]
"""``file``: the recipe itself; ``parent``: a file it extends; ``command line``: an override."""

COMMAND_LINE = "<command line>"
"""The file name of every span that lies in an override: override number n is line n of that text."""


@dataclass(frozen=True, slots=True)
class Mark:
    """Where one value was written.

    ``value`` spans the value itself and is empty (start equals end) where nothing was written, as in ``key:``.
    ``key`` spans the key, and is None for list items and for the root.
    """

    value: Span
    key: Span | None
    origin: Origin


@dataclass(slots=True)
class Document:
    r"""A recipe as read: parents merged in, overrides applied, nothing interpreted beyond YAML's own types.

    ``tree`` holds only dict, list, str, int, float, bool and None. ``marks`` has one entry for every path in the tree,
    the root ``()`` included, and no others. ``texts`` holds, for every file name that a span may carry, the text to
    draw a caret under: line breaks are ``\n`` alone, a byte order mark is left out.

    ``unreadable`` are the paths whose value already has a finding of its own (an alias, a number out of range ...) and
    stands as None in the tree: a later check would only repeat the complaint, so it should skip them.
    """

    file: str
    tree: dict[str, Any]
    marks: dict[Path, Mark]
    texts: dict[str, str]
    unreadable: frozenset[Path] = frozenset()

    def value_span(self, path: Path) -> Span:
        """Return the place of the value at ``path``, or of its nearest ancestor that exists."""
        return self._nearest(path).value

    def key_span(self, path: Path) -> Span:
        """Return the place of the key that ``path`` ends in; where it has none, the same as ``value_span``."""
        mark = self.marks.get(path)
        if mark is not None and mark.key is not None:
            return mark.key
        return self.value_span(path)

    def _nearest(self, path: Path) -> Mark:
        while path not in self.marks:
            path = path[:-1]
        return self.marks[path]
