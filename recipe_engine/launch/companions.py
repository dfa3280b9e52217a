"""What the machines of a run have to agree on, each attempt anew; with one machine there is nobody to ask."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Meeting:
    """Where the processes of an attempt find one another."""

    address: str
    """Address of the machine of process 0."""
    port: int
    """A port that is free there, another one each attempt."""
    interface: str | None = None
    """The network interface of this machine that leads to the others, where there are others."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an attempt ended."""

    code: int
    """Exit code: 0 done, 128 + n where a signal ended it, 75 a passing fault, else the worker's own."""
    reason: str = ""
    """In words, such as ``process 3 (4711) was killed by SIGKILL``; empty where the code says it all."""
    passing: bool = False
    """Whether starting again may help: nothing of the recipe is at fault, and nobody asked for the end."""
    checkpoint: str | None = None
    """The newest whole checkpoint, which another attempt would go on from."""


class Companions(Protocol):
    """The other machines of a run.

    ``meet`` and ``agree`` may raise ``LaunchError``, which ends the run; a signal to this process raises ``AskedToEnd``
    in them.
    """

    @property
    def node(self) -> int:
        """This machine's place among them. Number 0 has process 0, and alone writes what is in the run's folder."""

    def meet(self) -> Meeting:
        """Before each attempt: wait until every machine is ready for it."""

    def lost(self) -> str | None:
        """While the processes of this machine run, some times a second: why they should be ended, if they should."""

    def agree(self, outcome: Outcome) -> Outcome:
        """After this machine's processes have ended: what all machines make of the attempt. It is the same on each."""

    def close(self) -> None:
        """The run is over."""


class Alone:
    """One machine: its processes meet on the loopback interface."""

    node = 0

    def meet(self) -> Meeting:
        """A port that is free now. Should another program take it first, the attempt fails; the next has its own."""
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.bind(("127.0.0.1", 0))
            return Meeting("127.0.0.1", probe.getsockname()[1])

    def lost(self) -> str | None:
        return None

    def agree(self, outcome: Outcome) -> Outcome:
        return outcome

    def close(self) -> None:
        pass
