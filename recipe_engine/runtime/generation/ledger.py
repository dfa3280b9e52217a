"""Answers that have been paid for, kept as they come: a stage that is started again does not ask for them twice."""

from __future__ import annotations

import errno
import json
import os
import threading
from pathlib import Path
from typing import Any

Key = tuple[str, int, int]
"""Prompt, sample and attempt."""


class Ledger:
    """Lines of JSON in a file, one an answer. Several threads may write."""

    def __init__(self, path: Path) -> None:
        """Read what an earlier start has left. A last line that it could not finish is cut off."""
        self.path = path
        self.known: dict[Key, dict[str, Any]] = {}
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = threading.Lock()
        whole = 0
        if path.exists():
            with path.open("rb") as lines:
                for line in lines:
                    if not line.endswith(b"\n"):
                        break
                    entry = json.loads(line)
                    self.known[tuple(entry["key"])] = entry
                    whole += len(line)
        self._stream = path.open("ab", buffering=0)
        self._stream.truncate(whole)
        self._end = whole

    def add(self, key: Key, entry: dict[str, Any]) -> None:
        """Keep an answer: it is with the system when this returns, so that a killed process loses none.

        Raises:
            OSError: it cannot be written, such as on a full disk. Nothing of it is left in the file.
        """
        text = json.dumps({"key": key, **entry}, ensure_ascii=False, separators=(",", ":")) + "\n"
        line = text.encode("utf-8", "backslashreplace")
        with self._lock:
            try:
                if self._stream.write(line) != len(line):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.path))
            except OSError:
                self._stream.truncate(self._end)
                raise
            self._end += len(line)
            self.known[key] = entry

    def close(self) -> None:
        """Close the file."""
        self._stream.close()


def entries(path: Path) -> list[dict[str, Any]]:
    """What a file of answers holds, without changing it."""
    try:
        lines = path.read_bytes().split(b"\n")
    except FileNotFoundError:
        return []
    return [json.loads(line) for line in lines[:-1]]
