"""The process of a stage: errors said, exit codes given."""

from __future__ import annotations

import errno
import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

from recipe_engine.compiled_stage import CompiledStage
from recipe_engine.data.errors import DataError
from recipe_engine.recipe.stages.generate import HttpEngine
from recipe_engine.runtime.errors import RunError
from recipe_engine.runtime.generation.pace import BudgetError
from recipe_engine.runtime.stages.processes import WorkerEndedError
from recipe_engine.runtime.stages.run import read_stage, run_stage, run_worker

EXIT_BUDGET = 75
"""The stage stopped before it could cost more than may be spent (``EX_TEMPFAIL``: start it again to go on)."""
EXIT_INTERRUPTED = 130
_MASK = "***"


def stage_process(folder: Path, processes: int | None) -> int:
    """Carry a stage out. Returns the exit code."""
    return _told(folder, lambda: run_stage(folder, _say, processes))


def worker_process(folder: Path, name: str) -> int:
    """Be one of several processes of a stage. Returns the exit code."""
    return _told(folder, lambda: run_worker(folder, name, _say))


def _say(message: str) -> None:
    print(message, flush=True)


def _told(folder: Path, work: Callable[[], None]) -> int:
    compiled = read_stage(folder)
    if not needs_no_torch(compiled):
        from recipe_engine.runtime.__main__ import quieten

        quieten()
    try:
        work()
        return 0
    except BudgetError as error:
        _print(compiled, error.message, error.hint)
        return EXIT_BUDGET
    except WorkerEndedError as error:
        _print(compiled, error.message, None)
        return error.code if error.code > 0 else 128 - error.code
    except (RunError, DataError) as error:
        _print(compiled, error.message, error.hint)
        return 1
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except Exception as error:  # noqa: BLE001 # the last to see it: said with its traceback, exit code 1
        if isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
            hint = "make room and start again: whole shards and kept answers stand"
            _print(compiled, f"{error.filename or folder}: {error.strerror}", hint)
            return 1
        print(masked(traceback.format_exc(), compiled), file=sys.stderr)
        _print(compiled, f"{type(error).__name__}: {next(iter(str(error).splitlines()), '')}", None)
        return 1


def _print(compiled: CompiledStage, message: str, hint: str | None) -> None:
    print(f"error: {masked(message, compiled)}", file=sys.stderr)
    if hint:
        print(f"  {hint}", file=sys.stderr)


def masked(text: str, compiled: CompiledStage) -> str:
    """A text without the keys of the stage's services: they may be answered back, or stand in an error of user code."""
    engine = getattr(compiled.stage, "engine", None)
    for holder in [*getattr(compiled.stage, "rewards", ()), *([engine] if engine is not None else [])]:
        key = os.environ.get(getattr(holder, "api_key_env", None) or "", "").strip()
        text = text.replace(key, _MASK) if key else text
    return text


def needs_no_torch(compiled: CompiledStage) -> bool:
    """Whether the stage only asks a service."""
    return compiled.stage.kind == "generate" and isinstance(getattr(compiled.stage, "engine", None), HttpEngine)
