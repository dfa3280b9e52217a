"""L347 template-malformed (error)

A prompt template is text with the names of columns in braces: ``{question}``. A placeholder is one column and nothing
more: no number, attribute, index, conversion or format. Braces that are meant literally, as in JSON, are doubled.

Fails:
    data:
      system_prompt: 'Answer in JSON: {"answer": ...}'
      user_prompt: "{question}"
      assistant_prompt: "{answer}"
Fails:
    data:
      user_prompt: "{row[question]}"
      assistant_prompt: "{answer}"
Passes:
    data:
      system_prompt: 'Answer in JSON: {{"answer": ...}}'
      user_prompt: "{question}"
      assistant_prompt: "{answer}"
"""

from __future__ import annotations

from collections.abc import Iterator

from recipe_engine.lint.report import shown
from recipe_engine.lint.rows import TEMPLATES
from recipe_engine.lint.rule import Context, Finding

DOUBLE = "braces that are meant literally are doubled: {{ and }}"
PLAIN = "write the name of a column alone: {column}"


def check(context: Context) -> Iterator[Finding]:
    for key in TEMPLATES:
        template = getattr(context.recipe.data, key)
        if template and (found := fault(template)) is not None:
            at, what, hint = found
            line = template.count("\n", 0, at) + 1
            where = f" in line {line} of the template" if "\n" in template.rstrip("\n") else ""
            yield Finding(("data", key), f"{what}{where}", hint=hint)


def fault(template: str) -> tuple[int, str, str] | None:
    """The offset of the first thing that is wrong with a template, what it is, and what to write."""
    at = 0
    while at < len(template):
        if template[at] not in "{}":
            at += 1
        elif template[at : at + 2] in ("{{", "}}"):
            at += 2
        elif template[at] == "}":
            return at, f"the brace in {_around(template, at)} closes nothing", DOUBLE
        else:
            end = min((i for i in (template.find("}", at), template.find("{", at + 1)) if i >= 0), default=-1)
            if end < 0 or template[end] == "{":
                return at, f"the brace in {_around(template, at)} is not closed", DOUBLE
            wrong = _wrong_name(template[at + 1 : end])
            if wrong is not None:
                what, hint = wrong
                return at, f"{shown(template[at : end + 1])} {what}", hint
            at = end + 1
    return None


def _wrong_name(name: str) -> tuple[str, str] | None:
    if not name.strip():
        return "names no column", DOUBLE
    if name.isdigit():
        return "names a column by its number", PLAIN
    if any(char in name for char in "\"'\n"):
        return "is not the name of a column", DOUBLE
    if "." in name or "[" in name:
        return "reaches into a column", PLAIN
    if "!" in name or ":" in name:
        return "has a conversion or a format", PLAIN
    return None


def _around(template: str, at: int) -> str:
    line_start, line_end = template.rfind("\n", 0, at) + 1, template.find("\n", at)
    line = template[line_start : line_end if line_end >= 0 else len(template)]
    start = max(at - line_start - 10, 0)
    return shown(line[start : at - line_start + 20])
