"""The tree while it is being put together: each value carries its mark, so that merging cannot leave one behind."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, TypeAlias

from recipe_engine.source.document import Mark, Path

MAX_DEPTH = 64
"""Mappings and lists inside one another, the root counted."""

MAX_NODES = 20_000
"""Keys and values in one file, and values in the recipe that it and its parents make: far more than anybody writes."""

Scalar: TypeAlias = str | int | float | bool | None
Content: TypeAlias = Scalar | dict[str, "Node"] | list["Node"]


@dataclass(frozen=True, slots=True)
class Node:
    """One value and where it was written. Nodes are shared between trees, so nothing may change their content.

    ``readable`` is False for a scalar that could not be represented; its content is then None.
    ``size`` counts the values in it, itself included; ``depth`` the mappings and lists.
    """

    content: Content
    mark: Mark
    readable: bool = True
    size: int = field(init=False)
    depth: int = field(init=False)

    def __post_init__(self) -> None:
        size, depth = 1, 0
        content = self.content
        if isinstance(content, dict | list):
            for child in content.values() if isinstance(content, dict) else content:
                size += child.size
                depth = max(depth, child.depth)
            depth += 1
        object.__setattr__(self, "size", size)
        object.__setattr__(self, "depth", depth)


def flatten(root: Node) -> tuple[Any, dict[Path, Mark], frozenset[Path]]:
    """Split a tree of nodes into plain values, their marks, and the paths that could not be read."""
    marks: dict[Path, Mark] = {}
    unreadable: list[Path] = []

    # Recursion is safe: depth is limited wherever nodes are made.
    def plain(node: Node, path: Path) -> Any:
        marks[path] = node.mark
        content = node.content
        if isinstance(content, dict):
            return {key: plain(child, (*path, key)) for key, child in content.items()}
        if isinstance(content, list):
            return [plain(child, (*path, index)) for index, child in enumerate(content)]
        if not node.readable:
            unreadable.append(path)
        return content

    tree = plain(root, ())
    return tree, marks, frozenset(unreadable)
