"""Recipes as text: YAML to a plain tree, with the place of every key and value beside it."""

from __future__ import annotations

from recipe_engine.source.document import COMMAND_LINE, Document, Mark, Origin, Path
from recipe_engine.source.load import from_overrides, load

__all__ = ["COMMAND_LINE", "Document", "Mark", "Origin", "Path", "from_overrides", "load"]
