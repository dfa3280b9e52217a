"""The documentation of a finding: a docstring with a heading, prose, and recipes that fail and pass."""

from __future__ import annotations

import re
import textwrap
from dataclasses import dataclass

from recipe_engine.diagnostics import Severity

HEADING = re.compile(r"(?P<code>[A-Z]\d{3}) (?P<name>[a-z0-9-]+) \((?P<severity>error|warning|note)\)$", re.MULTILINE)
EXAMPLE = re.compile(r"(Fails|Passes):\s*")


@dataclass(frozen=True, slots=True)
class Example:
    """A recipe, or the part of one that matters, as YAML."""

    passes: bool
    """Whether it is free of the finding."""
    text: str


@dataclass(frozen=True, slots=True)
class Documentation:
    """What there is to say of one code."""

    code: str
    name: str
    severity: Severity
    """The usual severity: single findings may be milder."""
    prose: str
    examples: tuple[Example, ...]


def heading(text: str) -> tuple[str, str, Severity]:
    """The code, the name and the severity that ``text`` begins with.

    Raises:
        ValueError: it does not begin with them.
    """
    found = HEADING.match(text)
    if found is None:
        first = text.partition("\n")[0]
        raise ValueError(f"documentation must begin with `L123 the-name (error|warning|note)`, not with {first!r}")
    severity: Severity = found["severity"]  # type: ignore[assignment]  # the expression allows only the three
    return found["code"], found["name"], severity


def parse(text: str) -> Documentation:
    """Take documentation apart: a heading, prose, then ``Fails:`` and ``Passes:`` in any number, with indented YAML.

    Raises:
        ValueError: the text has another form.
    """
    code, name, severity = heading(text)
    lines = text.splitlines()[1:]
    starts = [number for number, line in enumerate(lines) if EXAMPLE.fullmatch(line)]
    prose = textwrap.dedent("\n".join(lines[: starts[0]] if starts else lines)).strip()
    if not prose:
        raise ValueError(f"the documentation of {code} has no prose")
    ends = [*starts[1:], len(lines)]
    examples = tuple(_example(code, lines[start:end]) for start, end in zip(starts, ends, strict=False))
    return Documentation(code, name, severity, prose, examples)


def _example(code: str, lines: list[str]) -> Example:
    title, *body = lines
    if any(line and not line[0].isspace() for line in body):
        raise ValueError(f"the documentation of {code} has text after its examples that is not indented")
    text = textwrap.dedent("\n".join(body)).strip("\n")
    if not text.strip():
        raise ValueError(f"the documentation of {code} has an empty example")
    return Example(title.startswith("Passes"), f"{text.rstrip()}\n")
