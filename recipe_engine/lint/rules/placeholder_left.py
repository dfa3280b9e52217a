"""L356 placeholder-left (note)

A value still reads like a template's: ``your-dataset``, ``<YOUR_PROJECT>``, ``path/to/model``. Blocks that are
switched off (``wandb`` and ``s3`` without ``enabled: true``) may keep theirs.

Fails:
    data:
      datasets:
        - name: your-dataset
Passes:
    data:
      datasets:
        - name: Anthropic/hh-rlhf
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from recipe_engine.lint.report import dotted, shown
from recipe_engine.lint.rule import Context, Finding
from recipe_engine.source import Path

PLACEHOLDER = re.compile(
    r"(?:^|[/:])your[-_][^\s/]+|<your[-_ ][^<>]*>|(?:^|/)path/to/\S|^(?:change[-_]?me|replace[-_]?me|todo|fixme|tbd)$",
    re.IGNORECASE,
)
# Text for people and for models, where such words mean themselves.
PROSE = frozenset({"system_prompt", "user_prompt", "assistant_prompt", "pattern", "notes", "kwargs"})


def check(context: Context) -> Iterator[Finding]:
    recipe = context.recipe
    off = {name for name, block in (("wandb", recipe.wandb), ("s3", recipe.s3)) if not block.enabled}
    for path, text in _texts({k: v for k, v in context.document.tree.items() if k not in off}, ()):
        if PLACEHOLDER.search(text) and (not re.search(r"\s", text) or "<" in text):
            yield Finding(
                path,
                f"{dotted(path)} is {shown(text)}, which looks like a placeholder",
                hint="write a value of your own",
            )


def _texts(node: Any, path: Path) -> Iterator[tuple[Path, str]]:
    if isinstance(node, str):
        yield path, node
    elif isinstance(node, dict):
        for key, value in node.items():
            if key not in PROSE:
                yield from _texts(value, (*path, key))
    elif isinstance(node, list):
        for index, value in enumerate(node):
            yield from _texts(value, (*path, index))
