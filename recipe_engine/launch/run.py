"""A compiled run from its start to the lines that say where everything is."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path

from recipe_engine.compile import file_name_of
from recipe_engine.compiled import FINISHED, STOPPED, CompiledRun
from recipe_engine.launch.attempts import begin, end
from recipe_engine.launch.command import worker_command, worker_environment
from recipe_engine.launch.ending import EXIT_UNFINISHED, ending_lines
from recipe_engine.launch.supervise import supervise
from recipe_engine.launch.tee import Screen


def log_folder() -> Path:
    """Where logs are written: ``logs/`` under the current folder."""
    return Path.cwd() / "logs"


def log_path(run: CompiledRun) -> Path:
    """A new log file for a start of the run: ``logs/<run>-<time>.log`` under the current folder."""
    folder = log_folder()
    folder.mkdir(exist_ok=True)
    base = f"{file_name_of(run.run_name)}-{time.strftime('%Y%m%d-%H%M%S')}"
    for number in range(1, 1000):
        path = folder / (f"{base}.log" if number == 1 else f"{base}-{number}.log")
        try:
            path.touch(exist_ok=False)
        except FileExistsError:
            continue
        return path
    raise FileExistsError(f"{folder}/{base}.log and 999 more")


def run_to_end(run: CompiledRun, log: Path, lock: int, *, to_screen: bool = True) -> int:
    """Train, and say how it ended. Returns the exit code.

    The worker inherits ``lock``, the descriptor that holds the run's folder: it stays held for as long as anything
    writes there. Without ``to_screen`` this process's own output is the log.
    """
    finished, stopped = Path(run.run_dir, FINISHED), Path(run.run_dir, STOPPED)
    finished.unlink(missing_ok=True)
    stopped.unlink(missing_ok=True)
    begin(run, log)
    code = supervise(worker_command(run), worker_environment(run), log if to_screen else None, inherited=(lock,))
    if code != 0 and stopped.is_file():  # a launcher between us and the worker has an exit code of its own
        code = 128 + int(stopped.read_text(encoding="ascii"))
    if finished.is_file():
        code = 0  # a signal that came after the last step
    elif code == 0:  # something, such as a reward that exits, ended the worker early
        code = EXIT_UNFINISHED
        _append(log, b"error: the worker ended early, without a reason, and saved no model\n")
    _noted(run, code)
    ending = ("\n" + "\n".join(ending_lines(run, log, code)) + "\n").encode(errors="backslashreplace")
    if to_screen:
        _append(log, ending)
    Screen().write(ending)
    return code


def _append(log: Path, text: bytes) -> None:
    """Write to the log. A disk that is full by now changes nothing of how the run has ended."""
    with suppress(OSError), log.open("ab") as stream:
        stream.write(text)


def _noted(run: CompiledRun, code: int) -> None:
    try:
        end(run, code)
    except OSError as error:
        print(f"the end of the run could not be noted in {error.filename or run.run_dir}: {error.strerror}", flush=True)
