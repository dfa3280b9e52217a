"""Two machines that share a folder and nothing else: network namespaces, joined by a virtual cable."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.machines import (
    ENVIRONMENT,
    PATIENCE,
    SAVED,
    STEPS,
    WATCHED,
    logs,
    losses,
    quickstart,
    said_by,
    trainers_on,
    until,
)

HOSTS = ("10.199.77.1", "10.199.77.2")
RENDEZVOUS = f"{HOSTS[0]}:29400"


class Hosts:
    """Two network namespaces."""

    def __init__(self) -> None:
        self.names = [f"recipe{os.getpid()}-{node}" for node in (0, 1)]

    def make(self) -> str | None:
        """Make them. Returns why that cannot be done."""
        if sys.platform != "linux" or os.geteuid() != 0 or shutil.which("ip") is None:
            return "network namespaces are made as root, with iproute2, on Linux"
        for command in (
            *(["ip", "netns", "add", name] for name in self.names),
            [
                "ip",
                "link",
                "add",
                "cable0",
                "netns",
                self.names[0],
                "type",
                "veth",
                "peer",
                "cable1",
                "netns",
                self.names[1],
            ],
            *(
                ["ip", "-n", name, *rest]
                for node, name in enumerate(self.names)
                for rest in (
                    ["link", "set", "lo", "up"],
                    ["addr", "add", f"{HOSTS[node]}/24", "dev", f"cable{node}"],
                    ["link", "set", f"cable{node}", "up"],
                )
            ),
        ):
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode != 0:
                return f"no network namespaces here: {' '.join(command)}: {done.stderr.strip()}"
        return None

    def remove(self) -> None:
        for name in self.names:
            subprocess.run(["ip", "netns", "delete", name], capture_output=True, check=False)

    def start(self, node: int, folder: Path, *overrides: str) -> subprocess.Popen[str]:
        """``recipe train`` on one of them."""
        place = ["--num-nodes", "2", "--node-rank", str(node), "--rendezvous", RENDEZVOUS]
        command = ["ip", "netns", "exec", self.names[node], *quickstart("train", *place, *WATCHED, *overrides)]
        return subprocess.Popen(
            command, cwd=folder, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )


@pytest.fixture
def hosts() -> Iterator[Hosts]:
    made = Hosts()
    try:
        if (why := made.make()) is not None:
            pytest.skip(why)
        yield made
    finally:
        made.remove()


@pytest.mark.slow
def test_they_train_as_two_processes_of_one_do_and_begin_again_together_when_one_is_killed(
    hosts: Hosts, tmp_path: Path
) -> None:
    alone, folder = tmp_path / "alone", tmp_path / "shared"
    alone.mkdir()
    folder.mkdir()
    said_by(quickstart("train", *WATCHED, "launch.cpu_processes=2"), alone)
    machines = [hosts.start(node, folder) for node in (0, 1)]
    try:
        until(lambda: len(losses(folder)) >= SAVED or machines[0].poll() is not None, lambda: logs(folder))
        (victim,) = trainers_on(1, folder / "models/run")
        os.kill(victim, signal.SIGKILL)
        told = [machine.communicate(timeout=PATIENCE)[0] for machine in machines]
    finally:
        for machine in machines:
            machine.kill()
    assert [machine.returncode for machine in machines] == [0, 0], told
    assert f"machine 1 ({os.uname().nodename}): process 1 ({victim}) was killed by SIGKILL" in told[0]
    assert "network interface cable0" in told[0]
    assert "network interface cable1" in told[1]
    for each in told:
        assert re.search(r"going on from models/run/checkpoint-\d+ in 0\.1 s \(restart 1 of 3\)", each)
    assert losses(folder) == pytest.approx(losses(alone), abs=1e-6)
    assert sorted(losses(folder)) == list(range(1, STEPS + 1))
    assert len(list((folder / "logs").glob("*-node1.log"))) == 1
    assert not (folder / "models/run/run/nodes.token").exists()


def test_a_machine_that_does_not_share_the_folder_is_told_what_to_do(hosts: Hosts, tmp_path: Path) -> None:
    folders = [tmp_path / "one", tmp_path / "other"]
    for folder in folders:
        folder.mkdir()
    waiting = "launch.start_minutes=0.2"
    machines = [hosts.start(0, folders[0], waiting), hosts.start(1, folders[1], waiting, "--nohup")]
    told = [machine.communicate(timeout=PATIENCE)[0] for machine in machines]
    assert [machine.returncode for machine in machines] == [1, 1]
    assert f"machine 1 ({os.uname().nodename}) does not see the folder of machine 0's run" in told[1]
    assert "put training.output_dir on a file system that all machines share" in told[1]
    assert f"does not see the folder {folders[0]}/models/run/run of this run" in told[0]
    assert "machine 1 did not come within 0.2 minutes" in told[0]
    assert not (folders[1] / "models").exists()
    assert [file.suffix for file in (folders[1] / "logs").iterdir()] == [".log"]
