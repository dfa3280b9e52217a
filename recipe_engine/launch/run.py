"""A compiled run from its start to the lines that say where everything is."""

from __future__ import annotations

import os
import re
import time
from dataclasses import replace
from pathlib import Path

from recipe_engine.compile import file_name_of
from recipe_engine.compiled import FINISHED, STOPPED, CompiledRun
from recipe_engine.launch.asked import Asked, AskedToEnd, noted
from recipe_engine.launch.attempts import begin, end
from recipe_engine.launch.command import meeting_environment, worker_command, worker_environment
from recipe_engine.launch.companions import Alone, Companions, Outcome
from recipe_engine.launch.ending import ending_lines, how_it_ended
from recipe_engine.launch.errors import LaunchError
from recipe_engine.launch.failure import Failure, take_failure
from recipe_engine.launch.paths import shorten
from recipe_engine.launch.restarts import EXIT_UNFINISHED, Restarts, outcome_of
from recipe_engine.launch.run_folder import write_compiled
from recipe_engine.launch.supervise import supervise
from recipe_engine.launch.tee import Screen

_TAIL_BYTES = 1 << 16
_ERROR = re.compile(rb"^error: (.+)", re.MULTILINE)
"""How a worker says why it cannot go on."""


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


def run_to_end(
    run: CompiledRun, log: Path, lock: int, *, to_screen: bool = True, companions: Companions | None = None
) -> int:
    """Train, again from the newest checkpoint after a passing fault, and say how it ended. Returns the exit code.

    The training processes inherit ``lock``, the descriptor that holds the run's folder: it stays held for as long as
    anything writes there. Without ``to_screen`` this process's own output is the log. ``companions`` are the other
    machines; by default there is none.
    """
    others = Alone() if companions is None else companions
    told = _Told(log, to_screen)
    with noted() as asked:
        try:
            outcome = _attempts(run, others, told, asked, lock)
        except AskedToEnd as error:
            outcome = Outcome(128 + error.number)
            end(run, outcome.code, how_it_ended(outcome))
        except LaunchError as error:
            told.say(f"error: {error.message}" + (f"\n  {error.hint}" if error.hint else ""))
            outcome = Outcome(EXIT_UNFINISHED, error.message)
            end(run, outcome.code, outcome.reason)
        finally:
            others.close()
        told.say("\n" + "\n".join(ending_lines(run, log, outcome, told.error)))
    return outcome.code


def _attempts(run: CompiledRun, others: Companions, told: _Told, asked: Asked, lock: int) -> Outcome:
    """Train until it is done, or no further attempt is worth it."""
    restarts, number = Restarts(run), 0
    while True:
        outcome = _attempt(run, others, told, asked, lock, restarts, number)
        if not restarts.allows(outcome):
            return outcome
        number += 1
        run = run.model_copy(update={"checkpoint": outcome.checkpoint})
        where = shorten(run.checkpoint) if run.checkpoint else "the beginning"
        told.say(
            f"{run.run_name}: {how_it_ended(outcome)}; going on from {where} in {restarts.pause:.4g} s "
            f"(restart {restarts.in_a_row} of {run.launch.restarts})"
        )
        with asked.raises():
            time.sleep(restarts.pause)


def _attempt(
    run: CompiledRun, others: Companions, told: _Told, asked: Asked, lock: int, restarts: Restarts, number: int
) -> Outcome:
    run_dir = Path(run.run_dir)
    if others.node == 0:
        for left in (FINISHED, STOPPED):
            (run_dir / left).unlink(missing_ok=True)
        if number > 0:
            write_compiled(run)
    take_failure(run_dir, others.node)
    begin(run, told.log, number)
    with asked.raises():
        meeting = others.meet()
    told.listen()
    ended = supervise(
        worker_command(run),
        worker_environment(run) | meeting_environment(meeting, others.node),
        told.log if told.to_screen else None,
        grace=run.launch.grace_minutes * 60,
        inherited=(lock,),
        watch=lambda _: others.lost(),
    )
    failure = take_failure(run_dir, others.node)
    told.hear(failure)
    outcome = replace(outcome_of(run, ended, failure, told.said, others.node), checkpoint=restarts.checkpoint())
    if outcome.code == EXIT_UNFINISHED and ended.code == 0:
        told.say(f"error: {outcome.reason}")  # something, such as a reward that exits, ended it
    with asked.raises():
        outcome = others.agree(outcome)
    end(run, outcome.code, how_it_ended(outcome) if outcome.code else "")
    return outcome


class _Told:
    """What is said, to the screen and to the log; and what the processes of an attempt said there."""

    def __init__(self, log: Path, to_screen: bool) -> None:
        self.log = log
        self.to_screen = to_screen
        self.said = b""
        """The end of what the last attempt has written to the log."""
        self.error = ""
        """The error that the last attempt named."""
        self._from = 0

    def say(self, text: str) -> None:
        line = f"{text}\n".encode(errors="backslashreplace")
        if self.to_screen:
            with self.log.open("ab") as stream:
                stream.write(line)
        Screen().write(line)

    def listen(self) -> None:
        """An attempt begins."""
        self._from = self.log.stat().st_size

    def hear(self, failure: Failure | None) -> None:
        """An attempt has ended: read what it said, and why it says it failed."""
        with self.log.open("rb") as stream:
            stream.seek(max(self._from, stream.seek(0, os.SEEK_END) - _TAIL_BYTES))
            self.said = stream.read()
        named = _ERROR.findall(self.said)
        own = named[-1].decode(errors="replace") if named else ""
        self.error = failure.error if failure is not None and failure.error else own
