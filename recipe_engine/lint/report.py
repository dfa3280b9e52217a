"""Findings of the linter, placed by path in the recipe."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, field

from recipe_engine.diagnostics import Diagnostic, Edit, Fix, Related, Severity
from recipe_engine.diagnostics.redact import redact
from recipe_engine.source import Document, Path

_WORDS = {None: "null", True: "true", False: "false"}


@dataclass(slots=True)
class Report:
    """Collects diagnostics about one document."""

    document: Document
    diagnostics: list[Diagnostic] = field(default_factory=list)

    def add(
        self,
        code: str,
        severity: Severity,
        path: Path,
        message: str,
        *,
        at_key: bool = False,
        hint: str | None = None,
        fix: Fix | None = None,
        related: tuple[Related, ...] = (),
    ) -> None:
        """Add a finding at the value of ``path``, or at its key. A value that could not be read already has one.

        Tokens in the words are masked: a misspelt key may be one.
        """
        if path in self.document.unreadable and not at_key:
            return
        span = self.document.key_span(path) if at_key else self.document.value_span(path)
        hint = None if hint is None else redact(hint)
        self.diagnostics.append(Diagnostic(code, severity, redact(message), span, hint, fix, related))

    @property
    def has_errors(self) -> bool:
        return any(found.severity == "error" for found in self.diagnostics)


_SLIP = 0.88
"""Share of equal letters: one wrong letter in a word of eight or more."""


def is_slip(word: str, meant: str) -> bool:
    """Whether ``word`` can only be a slip of the hand for ``meant``: then it may be mended unasked.

    ``actor_learning_rate`` resembles ``critic_learning_rate``, and is another thing.
    """
    plain, known = (text.lower().replace("-", "_") for text in (word, meant))
    return sorted(plain) == sorted(known) or difflib.SequenceMatcher(None, plain, known).ratio() >= _SLIP


def rename_key(document: Document, path: Path, new: str) -> Fix | None:
    """The edit that writes ``new`` as the key of ``path``; none where the key is not in the checked file."""
    mark = document.marks.get(path)
    if mark is None or mark.key is None or mark.origin != "file":
        return None
    return Fix(f"write {new}", (Edit(mark.key, new),))


def replace_value(document: Document, path: Path, text: str) -> Fix | None:
    """The edit that writes ``text`` as the value of ``path``; none where the value is not in the checked file."""
    mark = document.marks.get(path)
    if mark is None or mark.origin != "file":
        return None
    return Fix(f"write {text}", (Edit(mark.value, text),))


def dotted(path: Path) -> str:
    """``("data", "datasets", 0, "name")`` as ``data.datasets[0].name``."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def shown(value: object, limit: int = 60) -> str:
    """A value as a message may show it: YAML's words, short, on one line, without control characters or secrets."""
    text = _WORDS[value] if value is None or isinstance(value, bool) else redact(repr(value))
    return text if len(text) <= limit else f"{text[: limit - 3]}..."
