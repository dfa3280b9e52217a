"""The way in: a file name and overrides to a document and findings."""

from __future__ import annotations

import os
from collections.abc import Sequence

from recipe_engine.diagnostics import Diagnostic, Span
from recipe_engine.source.document import COMMAND_LINE, Document, Mark
from recipe_engine.source.extends import Reading
from recipe_engine.source.node import Node, flatten
from recipe_engine.source.overrides import apply_override, command_line_text, parse_override


def load(
    file: str | os.PathLike[str], overrides: Sequence[str] = (), *, texts: dict[str, str] | None = None
) -> tuple[Document | None, list[Diagnostic]]:
    """Read a recipe, merge the parents it extends into it, and lay the overrides over it.

    Never raises for anything that a file or an override may hold. The document is None where the tree would be
    incomplete, so that checking it further would mislead: the file or a parent cannot be read, or is not YAML. With any
    other error the tree is still there, so that all findings can be shown at once, but must not be trained from.

    ``texts``, if given, receives the text of every file read, under the name that spans carry, and the overrides under
    ``COMMAND_LINE``: also where there is no document to hold them.
    """
    texts = {} if texts is None else texts
    name = os.fsdecode(file)
    reading = Reading(texts)
    root = reading.recipe(name)
    findings = reading.findings
    return _overridden(name, root, overrides, texts, findings)


def from_overrides(
    name: str, overrides: Sequence[str], *, texts: dict[str, str] | None = None
) -> tuple[Document | None, list[Diagnostic]]:
    """The document that overrides make of nothing; ``name`` is what it is called, and relative files are beside it."""
    texts = {} if texts is None else texts
    texts[COMMAND_LINE] = ""
    start = Span(COMMAND_LINE, 1, 1, 1, 1)
    return _overridden(name, Node({}, Mark(start, None, "command line")), overrides, texts, [])


def _overridden(
    name: str, root: Node | None, overrides: Sequence[str], texts: dict[str, str], findings: list[Diagnostic]
) -> tuple[Document | None, list[Diagnostic]]:
    if overrides:
        texts[COMMAND_LINE] = command_line_text(tuple(overrides))
    for line, override in enumerate(overrides, start=1):
        assignment, wrong = parse_override(override, line)
        findings += wrong
        if root is not None and assignment is not None:
            root, misfit = apply_override(root, assignment)
            findings += misfit
    if root is None:
        return None, findings
    tree, marks, unreadable = flatten(root)
    return Document(name, tree, marks, texts, unreadable), findings
