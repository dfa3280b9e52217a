"""``python -m recipe_engine.launch.detached COMPILED LOG LOCK [PLACE]``: what stays behind after ``--nohup``.

``LOCK`` is the descriptor that holds the run's folder, or ``-`` on a machine that is not the first of several.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from recipe_engine.compiled import CompiledRun
from recipe_engine.launch.nodes import Place
from recipe_engine.launch.run import run_to_end


def main(arguments: list[str]) -> int:
    """Run a compiled file to its end; its output is this process's own, which is the log."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    compiled, log = Path(arguments[0]), Path(arguments[1])
    lock = None if arguments[2] == "-" else int(arguments[2])
    place = Place.read(arguments[3]) if len(arguments) > 3 else None
    pid_file = pid_file_of(log)
    pid_file.write_text(f"{os.getpid()}\n", encoding="ascii")
    try:
        run = CompiledRun.model_validate_json(compiled.read_text(encoding="utf-8"))
        if lock is None:
            compiled.unlink()  # written for this process alone
        return run_to_end(run, log, lock, to_screen=False, place=place)
    finally:
        pid_file.unlink(missing_ok=True)  # the number may soon be another process's


def pid_file_of(log: Path) -> Path:
    """Where the number of the process that writes ``log`` stands while it runs."""
    return log.with_suffix(".pid")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
