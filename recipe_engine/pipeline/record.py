"""What the folder of a pipeline says of it: how it was started, and how it ended."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from recipe_engine import __version__
from recipe_engine.data.shards import write_whole
from recipe_engine.launch.tee import Screen
from recipe_engine.lines import append_line, read_lines
from recipe_engine.recipe.base import Block

RECORD = "pipeline.json"
"""Name of the file, in the pipeline's folder, with how it was started last."""
STARTS = "starts.jsonl"
LOG = "log.txt"


class Record(Block):
    """How a pipeline was started."""

    engine: str = __version__
    file: str
    """The pipeline's file, as an absolute path."""
    folder: str
    """The folder that it was started in."""
    overrides: list[str]
    gpus: int
    until: str | None
    begin: str | None
    allow_reward_code: bool
    allow_remote_code: bool
    replace: bool
    pid: int
    time: float
    keys: list[str]
    """Every stage, in a loop every iteration of it, in order."""


class Log(Screen):
    """The screen, and the pipeline's log beside it."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self._stream = file.open("ab", buffering=0)

    def write(self, block: bytes) -> None:
        """Write to both."""
        super().write(block)
        self._stream.write(block)

    def say(self, message: str) -> None:
        """Write a line of the pipeline's own."""
        self.write(f"{time.strftime('%H:%M:%S')} {message}\n".encode(errors="backslashreplace"))

    def close(self) -> None:
        """Close the log's file."""
        self._stream.close()


class Recorder:
    """Notes how a pipeline is started and how it ends.

    A start that is refused, or that finds nothing to do in the part that it was asked for, changes no record of an
    earlier one: that is what is gone on with. Where there is no record yet, it is written at once.
    """

    def __init__(self, output_dir: Path, record: Record) -> None:
        self._folder, self._record = output_dir, record
        self._begun = False
        if read_record(output_dir) is None:
            self.begin()

    def begin(self) -> None:
        """Note that the pipeline is started by this process."""
        if self._begun:
            return
        self._begun = True
        write_whole(self._folder / RECORD, self._record.model_dump_json(indent=1) + "\n")
        event = {"event": "start", "time": round(time.time(), 3), "pid": os.getpid(), "gpus": self._record.gpus}
        append_line(self._folder / STARTS, event)

    def end(self, code: int, keys: list[str]) -> None:
        """Note how it ended, and which stages there were: a loop may have ended before its last iteration."""
        whole = self._record.begin is None and self._record.until is None
        if code == 0 and whole and last_start(self._folder).get("code") != 0:
            self.begin()  # all was complete; the start before was killed before it could say so
        if not self._begun:
            return
        record = read_record(self._folder)
        if record is not None and record.keys != keys:
            write_whole(
                self._folder / RECORD, record.model_copy(update={"keys": keys}).model_dump_json(indent=1) + "\n"
            )
        append_line(self._folder / STARTS, {"event": "end", "time": round(time.time(), 3), "code": code})


def read_record(output_dir: Path) -> Record | None:
    """How the pipeline in a folder was started; none where there is none."""
    try:
        return Record.model_validate_json((output_dir / RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def last_start(output_dir: Path) -> dict[str, Any]:
    """The last start, with ``code`` where its end is known."""
    found: dict[str, Any] = {}
    try:
        entries = read_lines(output_dir / STARTS)
    except OSError:
        return found  # another user's: what else is known of the pipeline is shown
    for entry in entries:
        if entry.get("event") == "start":
            found = entry
        else:
            found |= {"code": entry.get("code"), "ended": entry.get("time")}
    return found
