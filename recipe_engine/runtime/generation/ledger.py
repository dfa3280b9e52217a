"""Answers that have been paid for, kept as they come: a stage that is started again does not ask for them twice."""

from __future__ import annotations

import json
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
        self._stream = path.open("ab+")
        self._lock = threading.Lock()
        self._stream.seek(0)
        whole = 0
        for line in self._stream:
            if not line.endswith(b"\n"):
                break
            entry = json.loads(line)
            self.known[tuple(entry["key"])] = entry
            whole += len(line)
        self._stream.truncate(whole)

    def add(self, key: Key, entry: dict[str, Any]) -> None:
        """Keep an answer: it is with the system when this returns, so that a killed process loses none."""
        line = json.dumps({"key": key, **entry}, ensure_ascii=False, separators=(",", ":")) + "\n"
        with self._lock:
            self.known[key] = entry
            self._stream.write(line.encode("utf-8", "backslashreplace"))
            self._stream.flush()

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
