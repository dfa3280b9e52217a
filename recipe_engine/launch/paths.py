"""Paths as a user reads them."""

from __future__ import annotations

import os
from pathlib import Path


def shorten(path: str | os.PathLike[str]) -> str:
    """The path as seen from the current folder, where it lies in it."""
    try:
        return str(Path(path).relative_to(Path.cwd()))
    except ValueError:
        return os.fspath(path)
