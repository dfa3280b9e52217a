"""``python -m recipe_engine.launch.ranks COMPILED [MODULE]``: one machine's training processes, which end together.

The first process has this one's output, and with it the terminal. What the others say comes through a pipe: see
``rank_output``. Where the processes meet stands in the environment (``command.meeting_environment``); without it they
are all on this machine.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import FrameType

from recipe_engine.compiled import CompiledRun
from recipe_engine.launch.command import WORKER, meeting_environment
from recipe_engine.launch.companions import Alone
from recipe_engine.launch.failure import EXIT_PASSING, Failure, write_failure
from recipe_engine.launch.group import end_with_parent
from recipe_engine.launch.rank_output import RankOutput
from recipe_engine.launch.supervise import EXIT_INTERRUPTED, EXIT_TERMINATED

TERM_SECONDS = 10.0
"""How long the others have, after SIGTERM, once one process has failed."""
CAUSE_SECONDS = 2.0
"""How long the cause is waited for, where the first process that ended had but lost its connection to another."""
STOP_SECONDS = 60.0
"""How long the others have where one has saved and stopped, as all agreed to do."""

_POLL_SECONDS = 0.05
_PASSED_ON = (signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)


def main(arguments: list[str]) -> int:
    """Run the processes to their end. Returns the exit code of the first that failed, 128 + n for signal n."""
    compiled, module = Path(arguments[0]), arguments[1] if len(arguments) > 1 else WORKER
    run = CompiledRun.model_validate_json(compiled.read_text(encoding="utf-8"))
    environment = dict(os.environ)
    if "MASTER_ADDR" not in environment or "MASTER_PORT" not in environment:
        environment |= meeting_environment(Alone().meet(), 0)
    ranks = Ranks(run, [sys.executable, "-m", module, str(compiled)], environment)
    failure = ranks.run_to_end()
    if failure is None:
        return 0
    write_failure(compiled.parent, ranks.node, failure)
    return failure.exit_code


def rank_environment(run: CompiledRun, local: int, node: int) -> dict[str, str]:
    """What a process is told of its place, by the names that torch reads."""
    here = run.processes_per_node
    return {
        "RANK": str(node * here + local),
        "LOCAL_RANK": str(local),
        "WORLD_SIZE": str(run.processes),
        "LOCAL_WORLD_SIZE": str(here),
        "GROUP_RANK": str(node),
        "NODE_RANK": str(node),
        "GROUP_WORLD_SIZE": str(run.nodes),
    }


class Ranks:
    """The processes of one machine."""

    def __init__(self, run: CompiledRun, command: list[str], environment: Mapping[str, str]) -> None:
        self.run = run
        self.command = command
        self.environment = environment
        self.node = int(environment.get("NODE_RANK", "0"))
        self.output = RankOutput()
        self.running: dict[int, subprocess.Popen[bytes]] = {}
        """The processes that have not ended, by rank."""
        self.failures: list[tuple[int, int, int]] = []
        """Rank, number and code of each process that failed by itself, in the order in which they did."""
        self.limit: float | None = None
        """When what still runs is ended, on the monotonic clock."""
        self.ending = False
        """Whether this launcher has ended the others: what they end with says nothing any more."""

    def run_to_end(self) -> Failure | None:
        """Start the processes and wait until the last has ended. Returns the failure that was the cause of others."""
        for number in _PASSED_ON:
            if signal.getsignal(number) != signal.SIG_IGN:
                signal.signal(number, self._pass_on)
        # A terminal sends it to every process, and a second one would end them at once.
        signal.signal(signal.SIGINT, lambda *_: None)
        try:
            for local in range(self.run.processes_per_node):
                self._start(local)
            while self.running:
                self.output.copy(_POLL_SECONDS)
                self._look()
        finally:
            self._signal(signal.SIGKILL)
        self.output.drain()
        return self._cause()

    def _start(self, local: int) -> None:
        place = rank_environment(self.run, local, self.node)
        rank = int(place["RANK"])
        inlet = self.output.inlet(rank) if local else None
        self.running[rank] = subprocess.Popen(
            self.command,
            stdin=subprocess.DEVNULL,
            stdout=inlet,
            stderr=inlet,
            env={**self.environment, **place},
            close_fds=False,  # the lock of the run's folder is theirs as well
            preexec_fn=end_with_parent,  # no thread runs here that could hold a lock
        )
        if inlet is not None:
            os.close(inlet)

    def _look(self) -> None:
        """Take note of processes that have ended, and end the others when their time is up."""
        for rank, process in list(self.running.items()):
            code = process.poll()
            if code is not None:
                del self.running[rank]
                if code != 0 and not self.ending:
                    self._fail(rank, process.pid, code)
        if self.limit is not None and time.monotonic() > self.limit:
            self._signal(signal.SIGKILL if self.ending else signal.SIGTERM)
            self.ending, self.limit = True, time.monotonic() + TERM_SECONDS

    def _fail(self, rank: int, pid: int, code: int) -> None:
        self.failures.append((rank, pid, code))
        if code == EXIT_PASSING:
            seconds = CAUSE_SECONDS
        elif code in {EXIT_INTERRUPTED, EXIT_TERMINATED}:
            seconds = STOP_SECONDS
        else:
            seconds = 0.0
            self.output.only(rank)
        limit = time.monotonic() + seconds
        self.limit = limit if self.limit is None else min(limit, self.limit)

    def _cause(self) -> Failure | None:
        """The process that failed first, or the one that it lost its connection to."""
        if not self.failures:
            return None
        others = [one for one in self.failures if one[2] != EXIT_PASSING]
        rank, pid, code = (others or self.failures)[0]
        failure = Failure(rank, pid, code, self.output.error_of(rank))
        if code not in {EXIT_INTERRUPTED, EXIT_TERMINATED}:
            self.output.say(f"{failure}{'' if self.run.processes == 1 else '; the others were ended'}")
        return failure

    def _signal(self, number: int) -> None:
        for process in self.running.values():
            process.send_signal(number)  # to none that has ended

    def _pass_on(self, number: int, _: FrameType | None) -> None:
        """Whoever started this process has died, or someone means all of the run: the processes can save."""
        self._signal(number)
        limit = time.monotonic() + self.run.launch.grace_minutes * 60
        self.limit = limit if self.limit is None else self.limit


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
