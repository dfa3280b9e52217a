"""A compiled run from its start to the lines that say where everything is."""

from __future__ import annotations

import os
import re
import time
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path

from recipe_engine.checkpoints import left_out
from recipe_engine.compile import file_name_of
from recipe_engine.compiled import FINISHED, STOPPED, CompiledRun
from recipe_engine.diagnostics.visible import visible_lines
from recipe_engine.launch.asked import Asked, AskedToEnd, noted
from recipe_engine.launch.attempts import begin, end
from recipe_engine.launch.command import meeting_environment, worker_command, worker_environment
from recipe_engine.launch.companions import Companions, Outcome
from recipe_engine.launch.ending import ending_lines, how_it_ended
from recipe_engine.launch.environment import left_out_line
from recipe_engine.launch.errors import LaunchError
from recipe_engine.launch.failure import Failure, take_failure
from recipe_engine.launch.hang import HangWatch
from recipe_engine.launch.nodes import Place, companions_of
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


def log_path(run: CompiledRun, node: int = 0) -> Path:
    """A new log file for a start of the run: ``logs/<run>-<time>.log`` under the current folder, and
    ``logs/<run>-<time>-node1.log`` and so on for machines that are not the first."""
    return new_file(run, f"-node{node}.log" if node else ".log")


def new_file(run: CompiledRun, ending: str) -> Path:
    """A new, empty file of the run's, beside its logs and named as they are."""
    folder = log_folder()
    folder.mkdir(exist_ok=True)
    base = f"{file_name_of(run.run_name)}-{time.strftime('%Y%m%d-%H%M%S')}"
    for number in range(1, 1000):
        path = folder / (f"{base}{ending}" if number == 1 else f"{base}-{number}{ending}")
        try:
            path.touch(exist_ok=False)
        except FileExistsError:
            continue
        return path
    raise FileExistsError(f"{folder}/{base}{ending} and 999 more")


def run_to_end(
    run: CompiledRun,
    log: Path,
    lock: int | None,
    *,
    to_screen: bool = True,
    place: Place | None = None,
    is_stage: bool = False,
) -> int:
    """Train, again from the newest checkpoint after a passing fault, and say how it ended. Returns the exit code.

    The training processes inherit ``lock``, the descriptor that holds the run's folder: it stays held for as long as
    anything writes there. Without ``to_screen`` this process's own output is the log. ``place`` is this machine's among
    several; of these the first alone holds the lock, and records the attempts.
    """
    told = _Told(log, to_screen)
    records = place is None or place.node == 0
    if (line := left_out_line(run, os.environ)) is not None:
        told.say(line)
    if records:
        told.say_left_out(run)
    with noted() as asked:
        try:
            with closing(companions_of(run, place, told.say)) as others:
                outcome = _attempts(run, others, told, asked, lock)
        except AskedToEnd as error:
            outcome = Outcome(128 + error.number)
            if records:
                end(run, outcome.code, how_it_ended(outcome))
        except LaunchError as error:
            told.say(f"error: {error.message}" + (f"\n  {error.hint}" if error.hint else ""))
            outcome = Outcome(EXIT_UNFINISHED, error.message)
            if records:
                end(run, outcome.code, outcome.reason)
        asked.ends = outcome.code > 128
        told.say("\n" + "\n".join(ending_lines(run, log, outcome, told.error, is_stage=is_stage)))
    return outcome.code


def _attempts(run: CompiledRun, others: Companions, told: _Told, asked: Asked, lock: int | None) -> Outcome:
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
        if others.node == 0:
            told.say_left_out(run)
        with asked.raises():
            time.sleep(restarts.pause)


def _attempt(
    run: CompiledRun, others: Companions, told: _Told, asked: Asked, lock: int | None, restarts: Restarts, number: int
) -> Outcome:
    run_dir = Path(run.run_dir)
    hang = HangWatch(run_dir, run.launch.hang_minutes * 60, told.say)
    if others.node == 0:
        for left in (FINISHED, STOPPED):
            (run_dir / left).unlink(missing_ok=True)
        hang.forget()
        if number > 0:
            write_compiled(run)
        begin(run, told.log, number)
    take_failure(run_dir, others.node)
    with asked.raises():
        meeting = others.meet()
    told.listen()
    ended = supervise(
        worker_command(run),
        worker_environment(run) | meeting_environment(meeting, others.node),
        told.log if told.to_screen else None,
        grace=run.launch.grace_minutes * 60,
        inherited=() if lock is None else (lock,),
        watch=lambda signal_all: others.lost() or hang.look(signal_all),
    )
    failure = take_failure(run_dir, others.node)
    told.hear(failure)
    outcome = replace(outcome_of(run, ended, failure, told.said, others.node), checkpoint=restarts.checkpoint())
    if outcome.code == EXIT_UNFINISHED and ended.code == 0:
        told.say(f"error: {outcome.reason}")  # something, such as a reward that exits, ended it
    with asked.raises():
        outcome = others.agree(outcome)
    if others.node == 0:
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
        line = f"{visible_lines(text)}\n".encode(errors="backslashreplace")
        if self.to_screen:
            # A disk that is full by now changes nothing of how the run has ended.
            with suppress(OSError), self.log.open("ab") as stream:
                stream.write(line)
        Screen().write(line)

    def say_left_out(self, run: CompiledRun) -> None:
        """Say which later checkpoints than the one that is gone on from lie there, and why it is none of them."""
        if run.resume == "auto" and run.checkpoint:
            for line in left_out(Path(run.output_dir), Path(run.checkpoint)):
                self.say(line)

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
