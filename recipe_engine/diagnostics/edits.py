"""Applying the edits of findings to the text of a file."""

from __future__ import annotations

import re
from collections.abc import Iterable

from recipe_engine.diagnostics.model import Edit, Fix

_BREAK = re.compile(r"\r\n|\r|\n")


def apply_fixes(text: str, fixes: Iterable[Fix]) -> tuple[str, list[Fix]]:
    r"""Return ``text`` after as many of the fixes as go together, and those.

    A fix is applied as a whole or not at all: not if one of its edits touches an edit of a fix before it. Line breaks
    stay as they are, ``\r\n`` too; those in replacements become the file's own.
    """
    first_break = _BREAK.search(text)
    newline = first_break[0] if first_break else "\n"
    starts = [0, *(match.end() for match in _BREAK.finditer(text))]
    accepted: dict[tuple[int, int], str] = {}
    applied: list[Fix] = []
    for fix in fixes:
        wanted = {_offsets(edit, starts): edit.replacement.replace("\n", newline) for edit in fix.edits}
        if len(wanted) == len(fix.edits) and all(_goes_with(accepted, *edit) for edit in wanted.items()):
            accepted |= wanted
            applied.append(fix)
    for (start, end), replacement in sorted(accepted.items(), reverse=True):
        text = text[:start] + replacement + text[end:]
    return text, applied


def _offsets(edit: Edit, starts: list[int]) -> tuple[int, int]:
    span = edit.span
    return starts[span.line - 1] + span.column - 1, starts[span.end_line - 1] + span.end_column - 1


def _goes_with(accepted: dict[tuple[int, int], str], place: tuple[int, int], replacement: str) -> bool:
    """Whether an edit is one of those accepted, or apart from them all. Edits that only touch are not apart: two
    insertions at one place would have no order."""
    if place in accepted:
        return accepted[place] == replacement
    start, end = place
    return all(end < other_start or other_end < start for other_start, other_end in accepted)
