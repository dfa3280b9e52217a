"""Where a dataset or a model is, read off its name."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Kind = Literal["builtin", "local", "remote", "hub"]

BUILTIN_PREFIX = "builtin/"
REMOTE_SCHEMES = ("s3://",)
FILE_SUFFIXES = (".json", ".jsonl", ".csv", ".parquet", ".arrow", ".txt")


@dataclass(frozen=True, slots=True)
class Location:
    """``value`` is an absolute path for ``local``, and the name itself otherwise."""

    kind: Kind
    value: str


def locate(name: str) -> Location:
    """Tell embedded, local and remote names from Hub ids.

    A name is local if it looks like a path (begins with ``/``, ``./``, ``../`` or ``~``, or ends like a data file) or
    if it exists as seen from the current folder; a Hub id of the same name is then hidden, as in ``datasets`` itself.
    """
    if name.startswith(BUILTIN_PREFIX):
        return Location("builtin", name)
    if name.startswith(REMOTE_SCHEMES):
        return Location("remote", name)
    path = Path(os.path.expanduser(name))
    looks_local = (
        name.startswith(("/", "./", "../", "~")) or name in {".", ".."} or path.suffix.lower() in FILE_SUFFIXES
    )
    if looks_local or os.path.exists(path):  # unlike Path.exists, it takes any text for a name
        return Location("local", os.path.abspath(path))
    return Location("hub", name)


def is_missing(name: str) -> bool:
    """Whether a name is that of a file or a folder on this machine that is not there."""
    location = locate(name)
    return location.kind == "local" and not os.path.exists(location.value)
