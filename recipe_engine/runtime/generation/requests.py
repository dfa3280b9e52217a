"""What an engine is asked, and what it answers. Needs no torch."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from recipe_engine.data.cells import Prompt

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Request:
    """One completion that is wanted."""

    prompt_id: str
    sample_idx: int
    attempt: int
    """0, or 1 where the first was malformed."""
    prompt: Prompt
    seed: int
    """From 0 to 2^63 - 1. Of its prompt, number and attempt alone: who else is asked does not matter."""


@dataclass(frozen=True, slots=True)
class Completion:
    """One completion."""

    text: str
    finish_reason: str
    """``stop``: it ended itself, or at a text of ``stop``; ``length``: it was cut; or what a service says."""
    tokens: int | None
    """With the token that ended it; none where a service does not say."""
    thought: str | None = None
    """Where a service tells it apart from the text."""


@dataclass(frozen=True, slots=True)
class Refused:
    """No completion: the request is left out and counted."""

    reason: str
    """A word for the counts, such as ``prompt_too_long``."""


Answer = Completion | Refused


class Engine(Protocol):
    """What completes prompts."""

    def complete(self, requests: Sequence[Request], ledger: Path) -> list[Answer]:
        """An answer for each request, in order.

        Args:
            ledger: file in which an engine may keep answers that cost money, and find those of an earlier start.

        Raises:
            RunError: it cannot go on.
        """

    def totals(self, ledger: Path) -> dict[str, float]:
        """What it has counted since it was last asked, such as tokens, and what the answers of a ledger have cost."""

    def close(self) -> None:
        """Give back what it holds, such as connections."""


def seed_of(seed: int, prompt_id: str, sample_idx: int, attempt: int) -> int:
    """The seed of one completion, from 0 to 2^63 - 1."""
    text = f"{seed}\0{prompt_id}\0{sample_idx}\0{attempt}"
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8]) >> 1
