"""``python -m recipe_engine.launch.detached COMPILED LOG``: the process that stays behind after ``--nohup``."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

from recipe_engine.compiled import CompiledRun
from recipe_engine.launch.run import run_to_end


def main(arguments: list[str]) -> int:
    """Run a compiled file to its end; its output is this process's own, which is the log."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    run = CompiledRun.model_validate_json(Path(arguments[0]).read_text(encoding="utf-8"))
    return run_to_end(run, Path(arguments[1]), to_screen=False)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
