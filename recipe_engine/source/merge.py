"""One tree laid over another: mappings merge, everything else replaces, and every value keeps its own mark."""

from __future__ import annotations

from collections import Counter

from recipe_engine.diagnostics import Diagnostic, Related
from recipe_engine.source.document import Path
from recipe_engine.source.node import Node
from recipe_engine.source.text import shown

# The lists whose items have a name, and merge by it when the recipe asks for that.
NAMED_LISTS: tuple[Path, ...] = (("data", "datasets"), ("data", "eval_datasets"))


def merge(base: Node, over: Node, by_name: bool) -> tuple[Node, list[Diagnostic]]:
    """Return ``base`` overlaid by ``over``; neither changes.

    Keys keep the order of ``base``, new ones follow. A null in ``over`` replaces like any other value. With
    ``by_name``, an item of a dataset list is merged into the item of the same name in ``base``, in its place; the
    others are appended.
    """
    findings: list[Diagnostic] = []
    return _merge(base, over, (), by_name, findings), findings


def _merge(base: Node, over: Node, path: Path, by_name: bool, findings: list[Diagnostic]) -> Node:
    if isinstance(base.content, dict) and isinstance(over.content, dict):
        content = dict(base.content)
        for key, node in over.content.items():
            old = content.get(key)
            content[key] = node if old is None else _merge(old, node, (*path, key), by_name, findings)
        return Node(content, over.mark)
    if by_name and path in NAMED_LISTS and isinstance(base.content, list) and isinstance(over.content, list):
        ambiguous = _ambiguous(base.content, over.content)
        if not ambiguous:
            return Node(_by_name(base.content, over.content, path, findings), over.mark)
        findings += ambiguous
    return over


def _by_name(base: list[Node], over: list[Node], path: Path, findings: list[Diagnostic]) -> list[Node]:
    merged = list(base)
    places = {name: index for index, item in enumerate(base) if (name := _name(item)) is not None}
    for item in over:
        name = _name(item)
        index = places.get(name) if name is not None else None
        if index is None:
            merged.append(item)
        else:
            merged[index] = _merge(merged[index], item, (*path, index), False, findings)
    return merged


def _ambiguous(base: list[Node], over: list[Node]) -> list[Diagnostic]:
    """Find the names that both lists hold and one of them more than once: which items belong together is a guess."""
    counts = Counter(map(_name, base)), Counter(map(_name, over))
    findings = []
    for item in over:
        name = _name(item)
        if name is None or not counts[0][name] or counts[0][name] == counts[1][name] == 1:
            continue
        where = "the parent" if counts[0][name] > 1 else "this list"
        message = f"{where} has more than one dataset named {shown(name)}, so they cannot be merged by name"
        hint = "write the whole list here, without merge_datasets_by_name, or give every dataset its own name"
        related = tuple(
            Related(other.mark.value, "also named so")
            for other in (*base, *over)
            if _name(other) == name and other is not item
        )
        findings.append(Diagnostic("S134", "error", message, item.mark.value, hint, None, related))
    return findings


def _name(item: Node) -> str | None:
    name = item.content.get("name") if isinstance(item.content, dict) else None
    return name.content if name is not None and isinstance(name.content, str) else None
