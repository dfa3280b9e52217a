"""A stage by itself, from a small file or the command line: a pipeline of that stage alone."""

from __future__ import annotations

import os
from collections.abc import Sequence

from recipe_engine.lint import in_order
from recipe_engine.lint.secrets import mask_secrets
from recipe_engine.pipeline.check import CheckedPipeline, check_document
from recipe_engine.source import Document, Mark, Path, from_overrides, load

OF_THE_PIPELINE = ("thinking", "models", "output_dir")
"""Keys that are the pipeline's, not the stage's."""


def check_single(
    kind: str, file: str | os.PathLike[str] | None, overrides: Sequence[str], gpus: int | None = None
) -> CheckedPipeline:
    """Check a stage. Its file holds the stage's settings, and ``thinking`` where thoughts are marked.

    Without a file the overrides are all there is: ``model=...``, ``sampling.n=4``. Never raises for what they hold.
    """
    texts: dict[str, str] = {}
    if file is None:
        document, found = from_overrides(os.path.join(os.getcwd(), kind), overrides, texts=texts)
    else:
        document, found = load(file, overrides, texts=texts)
    found = mask_secrets(found, texts)
    if document is None:
        return CheckedPipeline(os.fspath(file or kind), None, None, in_order(found), texts)
    return check_document(as_pipeline(document, kind), found, gpus)


def as_pipeline(document: Document, kind: str) -> Document:
    """The document of a pipeline whose only stage is that of ``document``; every place is kept."""
    stage = {key: value for key, value in document.tree.items() if key not in OF_THE_PIPELINE}
    tree = {key: value for key, value in document.tree.items() if key in OF_THE_PIPELINE}
    tree["stages"] = [{"id": kind, "kind": kind, **stage}]
    marks: dict[Path, Mark] = {}
    for path, mark in document.marks.items():
        marks[path if not path or path[0] in OF_THE_PIPELINE else ("stages", 0, *path)] = mark
    root = document.marks[()]
    for added in (("stages",), ("stages", 0)):
        marks[added] = root
    unreadable = frozenset(
        path if path and path[0] in OF_THE_PIPELINE else ("stages", 0, *path) for path in document.unreadable
    )
    return Document(document.file, tree, marks, document.texts, unreadable)
