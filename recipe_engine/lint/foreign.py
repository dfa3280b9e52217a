"""Telling recipes from the YAML files of other programs that lie beside them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from recipe_engine.diagnostics.spelling import nearest
from recipe_engine.lint import Checked
from recipe_engine.lint.renames import RENAMES
from recipe_engine.recipe.root import BLOCKS

ROOT_KEYS = (*BLOCKS, "rewards", "extends")
# Keys that a recipe has and other programs' files hardly: anywhere in a file they speak for a recipe gone wrong, such
# as one whose blocks stand under another key. Not `pretrain`, which is a word of many files.
TELLTALES = frozenset(
    {"base_model_name", "algorithm", *(rename.old[-1] for rename in RENAMES if rename.new[-1] == "base_model_name")}
) - {"pretrain"}
_TELLTALE = re.compile(rf"""(?:^|[\s{{,"'-])(?:{"|".join(sorted(TELLTALES))})["']?\s*:""", re.MULTILINE)


def is_foreign(checked: Checked) -> bool:
    """Whether a file that was not named but found in a folder is clearly no recipe, so that checking it says nothing.

    It must not hide a broken recipe, so it holds only for YAML that can be read, whose root has no block's name nor a
    misspelling of one, and that has nowhere a key that gives a recipe away.
    """
    if checked.document is None:
        # A list or a single value at the root is all that leaves a file without a document and yet readable.
        codes = {found.code for found in checked.diagnostics if found.severity == "error"}
        text = checked.texts.get(checked.file, "")
        return codes == {"S112"} and not _TELLTALE.search(text)
    tree = checked.document.tree
    if "stages" in tree:
        return not _has_kinds(tree["stages"])  # other programs have stages too
    return all(nearest(key, ROOT_KEYS) is None for key in tree) and TELLTALES.isdisjoint(_keys(tree))


def _has_kinds(stages: Any) -> bool:
    """Whether some stage says its kind, as those of a pipeline do."""
    entries = stages if isinstance(stages, list) else []
    return any(isinstance(one, dict) and any(nearest(str(key), ("kind",)) for key in one) for one in entries)


def _keys(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        yield from node
    for child in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from _keys(child)
