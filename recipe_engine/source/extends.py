"""A recipe file and the parents it extends, merged into one tree."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import NamedTuple

from recipe_engine.diagnostics import Diagnostic, Related, Span
from recipe_engine.source import refused
from recipe_engine.source.merge import merge
from recipe_engine.source.node import MAX_NODES, Node
from recipe_engine.source.parse import parse
from recipe_engine.source.repairs import missing_space
from recipe_engine.source.text import Text, read_text, shown

MAX_CHAIN = 16
"""Parents above one another, and parents side by side."""

_FILE_LEVEL = ("S101", "S102", "S103")
_SHAPES = (
    "write `extends: base.yaml`, or `extends: [a.yaml, b.yaml]`, "
    "or `extends: {from: base.yaml, merge_datasets_by_name: true}`"
)


class _Parent(NamedTuple):
    name: str
    span: Span


class _Extends(NamedTuple):
    parents: tuple[_Parent, ...]
    by_name: bool


class _Link(NamedTuple):
    """A file being read, and the place that made it be read; None for the recipe itself."""

    real: str
    file: str
    span: Span | None


class Reading:
    """One recipe and its parents being read: collects the findings, and the texts by file name."""

    def __init__(self, texts: dict[str, str]) -> None:
        self.texts = texts
        self.findings: list[Diagnostic] = []
        self._done: dict[str, Node | None] = {}

    def recipe(self, file: str) -> Node | None:
        """Return the merged tree, or None where a file in it has findings that leave it incomplete."""
        text, findings = read_text(file)
        return self._merged(text, findings, (_Link(_real(file), file, None),))

    def _merged(self, text: Text | None, findings: list[Diagnostic], chain: tuple[_Link, ...]) -> Node | None:
        self.findings += findings
        if text is None:
            return None
        self.texts[text.file] = text.text
        if any(finding.severity == "error" for finding in findings):
            return None
        parsed = parse(text, "file" if len(chain) == 1 else "parent")
        self.findings += parsed.findings
        if parsed.root is None and any(finding.severity == "error" for finding in parsed.findings):
            return None
        root, wrong_root = _mapping(text, parsed.root)
        if root is None:
            self.findings += wrong_root
            return None
        own, extends, findings = _split(root)
        self.findings += findings
        if extends is None:
            return None
        parents = [self._parent(parent, chain) for parent in extends.parents]
        return self._overlay([*parents, own], extends)

    def _overlay(self, layers: list[Node | None], extends: _Extends) -> Node | None:
        merged = layers[0]
        for layer in layers[1:]:
            if merged is None or layer is None:
                return None
            merged, findings = merge(merged, layer, extends.by_name)
            self.findings += findings
            if merged.size > MAX_NODES:
                self.findings.append(refused.too_many(extends.parents[0].span))
                return None
        return merged

    def _parent(self, parent: _Parent, chain: tuple[_Link, ...]) -> Node | None:
        file = _beside(chain[-1].file, parent.name)
        real = _real(file)
        cycle = [link for link in chain if link.real == real]
        if cycle:
            self.findings.append(_cycle(parent, chain, cycle[0]))
            return None
        if len(chain) > MAX_CHAIN:
            self.findings.append(_too_long(parent, chain))
            return None
        if real not in self._done:
            text, findings = read_text(file)
            self._done[real] = self._merged(
                text, _at_the_child(findings, parent), (*chain, _Link(real, file, parent.span))
            )
        return self._done[real]


def _mapping(text: Text, root: Node | None) -> tuple[Node | None, list[Diagnostic]]:
    if root is None or (root.content is None and root.readable):
        hint = "start with `training:` and `algorithm:` under it"
        return None, [Diagnostic("S108", "error", "the recipe is empty", Span(text.file, 1, 1, 1, 1), hint)]
    if isinstance(root.content, dict):
        return root, []
    if isinstance(root.content, str):
        start, _ = text.line_at(len(text.text) - len(text.text.lstrip()))
        unspaced = missing_space(text, start)
        if unspaced is not None:
            return None, [unspaced]
    kind = "a list" if isinstance(root.content, list) else "a single value"
    hint = "a recipe is a mapping with the keys model, data, training and so on"
    return None, [Diagnostic("S112", "error", f"the recipe is {kind}, not a mapping", root.mark.value, hint)]


def _split(root: Node) -> tuple[Node, _Extends | None, list[Diagnostic]]:
    """Take ``extends`` out of a file's tree. It is None where it cannot be followed."""
    content = root.content if isinstance(root.content, dict) else {}
    if "extends" not in content:
        return root, _Extends((), False), []
    own = Node({key: node for key, node in content.items() if key != "extends"}, root.mark)
    extends, findings = _read_extends(content["extends"])
    return own, extends, findings


def _read_extends(node: Node) -> tuple[_Extends | None, list[Diagnostic]]:
    findings: list[Diagnostic] = []
    by_name = False
    if isinstance(node.content, dict):
        for key, value in node.content.items():
            if key not in ("from", "merge_datasets_by_name"):
                findings.append(_bad(value.mark.key or value.mark.value, f"`extends` has no key {shown(key)}"))
        flag = node.content.get("merge_datasets_by_name")
        by_name = flag is not None and flag.content is True
        if flag is not None and flag.readable and not isinstance(flag.content, bool):
            findings.append(_bad(flag.mark.value, "`merge_datasets_by_name` must be true or false"))
        if "from" not in node.content:
            return None, [*findings, _bad(node.mark.value, "`extends` does not say which file: `from` is missing")]
        node = node.content["from"]
    items = node.content if isinstance(node.content, list) else [node]
    if not items:
        findings.append(_bad(node.mark.value, "`extends` names no file"))
    if len(items) > MAX_CHAIN:
        message = f"a recipe cannot extend more than {MAX_CHAIN} files"
        findings.append(Diagnostic("S133", "error", message, node.mark.value, "merge some of them into one"))
    for item in items:
        if item.readable and not isinstance(item.content, str):
            place = item.mark.key if item.content is None and item.mark.key else item.mark.value
            findings.append(_bad(place, "`extends` must name a file"))
        elif item.content == "":
            findings.append(_bad(item.mark.value, "`extends` names no file"))
    parents = tuple(_Parent(item.content, item.mark.value) for item in items if isinstance(item.content, str))
    complete = not findings and len(parents) == len(items)
    return _Extends(parents, by_name) if complete else None, findings


def _at_the_child(findings: list[Diagnostic], parent: _Parent) -> list[Diagnostic]:
    """Move what concerns a parent as a whole to the line that names it; what lies inside it stays there."""
    moved = []
    for finding in findings:
        if finding.code in _FILE_LEVEL:
            hint = finding.hint or "the path is relative to the file that says it"
            moved.append(Diagnostic("S131", "error", f"cannot extend it: {finding.message}", parent.span, hint))
        else:
            related = (*finding.related, Related(parent.span, "extended here"))
            moved.append(replace(finding, related=related))
    return moved


def _cycle(parent: _Parent, chain: tuple[_Link, ...], back_to: _Link) -> Diagnostic:
    members = chain[chain.index(back_to) + 1 :]
    message = f"{shown(back_to.file)} extends itself" + (f" by way of {len(members)} other files" if members else "")
    related = tuple(Related(link.span, "extended here") for link in members if link.span is not None)
    return Diagnostic("S132", "error", message, parent.span, "remove one of these `extends`", None, related)


def _too_long(parent: _Parent, chain: tuple[_Link, ...]) -> Diagnostic:
    message = f"more than {MAX_CHAIN} recipes extend one another in a row"
    related = tuple(Related(link.span, "extended here") for link in chain if link.span is not None)
    return Diagnostic("S133", "error", message, parent.span, "merge some of them into one", None, related)


def _beside(file: str, name: str) -> str:
    """Return the path of ``name`` as seen from ``file``, without ``..`` where that leads to the same place."""
    path = os.path.join(os.path.dirname(file), name)
    short = os.path.normpath(path)
    return short if _real(short) == _real(path) else path


def _real(file: str) -> str:
    try:
        return os.path.realpath(file)
    except (OSError, ValueError):
        # No file can have such a name, which reading it will say.
        return file


def _bad(span: Span, message: str) -> Diagnostic:
    return Diagnostic("S130", "error", message, span, _SHAPES)
