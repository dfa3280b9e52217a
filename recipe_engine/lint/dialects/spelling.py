"""How an old or foreign spelling is written down."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

EACH = "[]"
"""In a path: every item of the list that stands there."""


@dataclass(frozen=True, slots=True)
class Rename:
    """A key that has another name here, with the same meaning: it is understood, with a note."""

    old: tuple[str, ...]
    new: tuple[str, ...]
    """Where ``old`` goes into a list, the path of the same mapping with another last key. Where it is the same as
    ``old``, only values have other names."""
    origin: str
    values: Mapping[Any, Any] = field(default_factory=lambda: MappingProxyType({}))
    """Values that are written otherwise here; all others are kept."""

    def value(self, given: Any) -> Any:
        """What a value of the old key is called here. 1 and true are two values."""
        for word, meant in self.values.items():
            if type(word) is type(given) and word == given:
                return meant
        return given


@dataclass(frozen=True, slots=True)
class Removed:
    """A key whose meaning changed or that nothing here reads: an error that says what to write."""

    key: tuple[str, ...]
    instead: str
