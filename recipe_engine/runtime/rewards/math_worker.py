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
_MARKED = re.compile(r"\$|\\\(|\\\[|\\boxed")


def reference(text: str) -> list[Any]:
    """What a reference means. Bare LaTeX has no marks by which Math-Verify finds it, so it is put in a box."""
    if not _MARKED.search(text):
        # "1,234" is a number, and LaTeX would read a pair.
        plain = re.sub(r"(?<=\d),(?=\d{3}(?!\d))", "", text.strip())
        if found := _parse(f"\\boxed{{{plain}}}"):
            return found
    return _parse(text)


def equal(reference_text: str, answer: str | None) -> bool:
    """Whether the answer is the reference; without an answer, whether the reference can be read."""
    gold = reference(reference_text)
    if answer is None:
        return bool(gold)
    # Timeouts off: see above. Errors are "not equal", which is what an answer that makes no sense is.
    return bool(gold) and bool(verify(gold, _parse(answer), timeout_seconds=None))


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
