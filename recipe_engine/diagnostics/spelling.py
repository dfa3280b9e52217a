"""What a misspelt word was meant to be."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that ``word`` is most likely a misspelling of, if any is close."""
    candidates = list(known)
    by_lower_case = {candidate.lower().replace("-", "_"): candidate for candidate in candidates}
    plain = word.lower().replace("-", "_")
    if plain in by_lower_case:
        return by_lower_case[plain]
    swapped = [candidate for candidate in by_lower_case if sorted(candidate) == sorted(plain)]
    if len(swapped) == 1:
        return by_lower_case[swapped[0]]
    close = difflib.get_close_matches(plain, list(by_lower_case), n=1, cutoff=0.7)
    return by_lower_case[close[0]] if close else None
