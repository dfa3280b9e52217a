"""``python -m recipe_engine.launch.detached COMPILED LOG LOCK``: the process that stays behind after ``--nohup``."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from recipe_engine.compiled import CompiledRun
from recipe_engine.launch.run import run_to_end


def main(arguments: list[str]) -> int:
    """Run a compiled file to its end; its output is this process's own, which is the log."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    compiled, log, lock = Path(arguments[0]), Path(arguments[1]), int(arguments[2])
    pid_file = pid_file_of(log)
    pid_file.write_text(f"{os.getpid()}\n", encoding="ascii")
    try:
        run = CompiledRun.model_validate_json(compiled.read_text(encoding="utf-8"))
        return run_to_end(run, log, lock, to_screen=False)
    finally:
        pid_file.unlink(missing_ok=True)  # the number may soon be another process's


def pid_file_of(log: Path) -> Path:
    """Where the number of the process that writes ``log`` stands while it runs."""
    return log.with_suffix(".pid")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
