"""A process that compares mathematics: lines of JSON in, lines of JSON out. Started by its path, it imports no torch.

``[id, reference, answer]`` is answered by ``[id, whether they are equal]``; with null for the answer, by whether the
reference can be read at all. Time is kept by whoever started it: Math-Verify keeps it by an alarm signal, which only a
main thread can have, and which does not interrupt the arithmetic of large integers.
"""

from __future__ import annotations

import json
import logging
import re
import resource
import sys
from typing import Any

from math_verify import parse, verify

MEMORY = 4 << 30
"""Bytes of address space: a power tower would else take all of it before the time is over."""
_WITH_UNIT = re.compile(r"\$?(-?\d[\d,]*(?:\.\d+)?)\s+(?!(?:pi|infty|ln|log)\b)[A-Za-z]{2}[A-Za-z .]*")
_MARKED = re.compile(r"\$|\\\(|\\\[|\\boxed")


def reference(text: str) -> list[Any]:
    """What a reference means: readings, any of which may be met.

    Bare LaTeX has no marks by which Math-Verify finds it, so it is put in a box; what programmers write is rewritten,
    and a number with a unit, ``72 clips``, counts as the number too.
    """
    if _MARKED.search(text):
        return _parse(text)
    plain = re.sub(r"(?<=\d),(?=\d{3}(?!\d))", "", text.strip())  # "1,234" is a number; LaTeX would read a pair
    plain = re.sub(r"(\d)[eE]([+-]?\d+)(?![\w.])", r"\1\\cdot 10^{\2}", plain.replace("**", "^"))
    plain = re.sub(r"(?<![\\A-Za-z])(pi|infty)(?![A-Za-z])", r"\\\1", plain)
    readings = _parse(f"\\boxed{{{plain}}}")
    if with_unit := _WITH_UNIT.fullmatch(text.strip()):
        readings += _parse(with_unit[1])
    return readings or _parse(text)


def equal(reference_text: str, answer: str | None) -> bool:
    """Whether the answer is the reference; without an answer, whether the reference can be read."""
    gold = reference(reference_text)
    if answer is None:
        return bool(gold)
    if gold and _bare(reference_text) == _bare(answer):
        return True
    # Timeouts off: see above. Errors are "not equal", which is what an answer that makes no sense is.
    return bool(gold) and bool(verify(gold, _parse(answer), timeout_seconds=None))


def _bare(text: str) -> str:
    """A text without the box around all of it, white space or a final stop: words are compared as they are."""
    plain = text.strip().removesuffix(".").strip()
    boxed = re.fullmatch(r"\$?\s*\\boxed\{(.*)\}\s*\$?", plain, re.DOTALL)
    return " ".join((boxed[1] if boxed else plain).split())


def _parse(text: str) -> list[Any]:
    return list(parse(text, parsing_timeout=None))


def main() -> None:
    """Answer until the input ends."""
    logging.disable(logging.CRITICAL)  # it warns that its timeouts are off
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY if hard == resource.RLIM_INFINITY else min(MEMORY, hard), hard))
    for line in sys.stdin:
        number, gold, answer = json.loads(line)
        try:
            result = equal(gold, answer)
        except (Exception, RecursionError):  # noqa: BLE001 # a parser's failure on any text is "not equal"
            result = False
        print(json.dumps([number, result]), flush=True)


if __name__ == "__main__":
    main()
