"""How an old or foreign spelling is written down."""

from __future__ import annotations

from dataclasses import dataclass

EACH = "[]"
"""In a path: every item of the list that stands there."""


@dataclass(frozen=True, slots=True)
class Rename:
    """A key that has another name here, with the same meaning: it is understood, with a note."""

    old: tuple[str, ...]
    new: tuple[str, ...]
    """Where ``old`` goes into a list, the path of the same mapping with another last key."""
    origin: str


@dataclass(frozen=True, slots=True)
class Removed:
    """A key whose meaning changed or that nothing here reads: an error that says what to write."""

    key: tuple[str, ...]
    instead: str
