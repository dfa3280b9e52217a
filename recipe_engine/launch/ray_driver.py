"""``python -m recipe_engine.launch.ray_driver SPECIFICATION JOB``: what a job of Ray runs, on the cluster.

It reserves one bundle on each machine, starts ``recipe train`` there, and waits. What the machines agree on they agree
on by themselves (``nodes``): Ray only places, starts, and passes the end on.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import ray
from ray.util.placement_group import placement_group
from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

from recipe_engine.launch.group import end_with_parent
from recipe_engine.launch.jobs import VARIABLE, log_name

_POLL_SECONDS = 0.5


class Machine:
    """One machine of the run: an actor, in the bundle that is reserved there."""

    def __init__(self) -> None:
        self.process: subprocess.Popen[bytes] | None = None

    def rendezvous(self) -> str:
        """This machine's address, with a port that is free now."""
        with socket.socket() as probe:
            probe.bind(("", 0))
            return f"{ray.util.get_node_ip_address()}:{probe.getsockname()[1]}"

    def start(self, command: Sequence[str], folder: str, job: str) -> None:
        """Start the training. It saves and ends should this process die."""
        self.process = subprocess.Popen(
            list(command),
            cwd=folder,
            env={**os.environ, VARIABLE: job},
            stdin=subprocess.DEVNULL,
            start_new_session=True,  # Ray signals the group of its worker
            preexec_fn=end_with_parent,
        )

    def poll(self) -> int | None:
        """The exit code of the training, once it has ended."""
        return None if self.process is None else self.process.poll()

    def signal(self) -> None:
        """Have it save and end; the second time, end at once."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)


def main(arguments: list[str]) -> int:
    """Train. Returns the exit code of the first machine that did not end well."""
    specification, job = json.loads(Path(arguments[0]).read_text(encoding="utf-8")), arguments[1]
    say = partial(_say, Path(arguments[0]).parent / log_name(job))
    say(f"job {job}: waiting for {specification['nodes']} x {specification['bundle']}")
    ray.init(address="auto", log_to_driver=True, logging_level="warning")
    stops: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda taken, _: stops.append(taken))
    machines = _machines(specification, say)
    if machines is None:
        return 1
    say("the machines are there; each has a log of its own in this folder")
    several = specification["nodes"] > 1
    meeting = ["--rendezvous", ray.get(machines[0].rendezvous.remote())] if several else []
    for rank, machine in enumerate(machines):
        place = ["--node-rank", str(rank), *meeting] if several else []
        command = [*specification["command"], *place, "--", *specification["overrides"]]
        ray.get(machine.start.remote(command, specification["folder"], job))
    return _wait(machines, stops)


def _machines(specification: dict[str, Any], say: Callable[[str], None]) -> list[Any] | None:
    """An actor on each machine; none where the cluster has no room for them in time."""
    nodes, bundle = specification["nodes"], specification["bundle"]
    group = placement_group([bundle] * nodes, strategy="STRICT_SPREAD" if nodes > 1 else "STRICT_PACK")
    if not group.wait(specification["start_seconds"]):
        asked = ", ".join(f"{count} {name}" for name, count in bundle.items())
        say(f"error: Ray has no room for {nodes} machines with {asked} each; it has {ray.cluster_resources()}")
        return None
    options: dict[str, Any] = {"num_cpus": bundle["CPU"], "num_gpus": bundle.get("GPU", 0)}
    return [
        ray.remote(Machine)
        .options(**options, scheduling_strategy=PlacementGroupSchedulingStrategy(group, index))
        .remote()
        for index in range(nodes)
    ]


def _wait(machines: list[Any], stops: list[int]) -> int:
    passed_on = 0
    codes: list[int | None] = [None] * len(machines)
    while None in codes:
        time.sleep(_POLL_SECONDS)
        if len(stops) > passed_on:
            passed_on += 1
            ray.get([machine.signal.remote() for machine in machines])
        codes = ray.get([machine.poll.remote() for machine in machines])
    return next((code if code >= 0 else 128 - code for code in codes if code is not None and code != 0), 0)


def _say(log: Path, text: str) -> None:
    """For `ray job logs`, and for `recipe logs` until the run has a log of its own."""
    print(text, flush=True)
    with log.open("a", encoding="utf-8") as stream:
        stream.write(f"{text}\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
