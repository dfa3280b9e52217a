"""Files of JSON lines that are only ever added to: a line is there as a whole, or was cut off and costs no other."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import Any


def append_line(path: Path, entry: dict[str, Any]) -> None:
    """Add a line, in one write. Where the last one was cut off, by SIGKILL or a full disk, it begins another.

    Raises:
        OSError: it could not be written, or not as a whole.
    """
    line = (json.dumps(entry, ensure_ascii=False) + "\n").encode()
    with path.open("a+b", buffering=0) as stream:
        if stream.seek(0, os.SEEK_END) > 0:
            stream.seek(-1, os.SEEK_END)
            line = line if stream.read(1) == b"\n" else b"\n" + line
        written = stream.write(line)
    if written != len(line):
        raise OSError(errno.ENOSPC, "could not be written as a whole", str(path))


def read_lines(path: Path) -> list[dict[str, Any]]:
    """The lines of a file, but for those that were cut off; none where there is no such file.

    Raises:
        OSError: it is there, and cannot be read.
    """
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return []
    found = []
    for line in text.split("\n"):  # a string may hold what splitlines takes for the end of one
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if isinstance(entry, dict):
            found.append(entry)
    return found
