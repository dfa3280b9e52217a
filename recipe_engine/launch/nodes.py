"""Several machines: which one this is, and where they meet."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from recipe_engine.compiled import CompiledRun
from recipe_engine.launch.companions import Alone, Companions
from recipe_engine.launch.errors import LaunchError
from recipe_engine.launch.first_node import FirstNode
from recipe_engine.launch.other_node import OtherNode

_RENDEZVOUS = re.compile(r"(?P<host>[^\s:/@]+):(?P<port>\d{1,20})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Place:
    """One machine's place among several. It belongs to a start of the run, not to the run."""

    node: int
    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.node}@{self.host}:{self.port}"

    @staticmethod
    def read(text: str) -> Place:
        """The place that is written so."""
        node, _, where = text.partition("@")
        host, _, port = where.rpartition(":")
        return Place(int(node), host, int(port))


def place_of(run: CompiledRun, node: int | None, rendezvous: str | None) -> Place | None:
    """This machine's place, as the command line and the recipe say; none where there is one machine.

    Raises:
        LaunchError: something is missing, or does not fit.
    """
    if run.nodes == 1:
        for option, value in (("--node-rank", node), ("--rendezvous", rendezvous)):
            if value is not None:
                message = f"{option} is for several machines, and the recipe has one"
                raise LaunchError("T518", message, "add --num-nodes, or leave it out")
        return None
    where = run.launch.rendezvous if rendezvous is None else rendezvous
    if where is None:
        hint = "--rendezvous HOST:PORT: the first machine's name or address, and a free port there; the same on each"
        raise LaunchError("T518", f"{run.nodes} machines have to know where they meet", hint)
    if node is None:
        hint = f"--node-rank: 0 on the machine that {where} names, 1 to {run.nodes - 1} on the others"
        raise LaunchError("T518", f"which of the {run.nodes} machines is this?", hint)
    if not 0 <= node < run.nodes:
        raise LaunchError("T518", f"--node-rank {node}: the {run.nodes} machines are 0 to {run.nodes - 1}")
    found, named = _RENDEZVOUS.fullmatch(where), "launch.rendezvous" if rendezvous is None else "--rendezvous"
    if found is None:
        raise LaunchError("T518", f"{named} {where or '(empty)'}: it has to be HOST:PORT, such as node1:29400")
    if not 0 < int(found["port"]) < 1 << 16:
        raise LaunchError("T518", f"{named} {where}: ports are 1 to 65535", f"such as {found['host']}:29400")
    return Place(node, found["host"], int(found["port"]))


def companions_of(run: CompiledRun, place: Place | None, say: Callable[[str], None]) -> Companions:
    """The other machines, as this one deals with them. Without a place there are none.

    Raises:
        LaunchError: the first machine cannot listen where they are to meet.
    """
    if place is None:
        return Alone()
    if place.node == 0:
        return FirstNode(run, place.host, place.port, say)
    return OtherNode(run, place.node, place.host, place.port, say)
