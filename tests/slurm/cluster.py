"""A Slurm of one's own on this machine: a controller and two nodes in a folder, gone when the test is.

Debian's packages slurm-wlm and munge are needed, and root: slurmd starts jobs as their users.
``python -m tests.slurm.cluster FOLDER`` starts one for trying things by hand, until Ctrl-C.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "squeue", "scontrol", "scancel", "sinfo")
_SECONDS = 60.0

_CONF = """\
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller}
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket,cred_expire=5
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=sched_interval=1,bf_interval=1
ReturnToService=2
KillWait=30
CommunicationParameters=NoAddrCache
NodeName=node[1-2] NodeHostname={host} NodeAddr=127.0.0.1 Port={first}-{second} CPUs=2
PartitionName=test Nodes=ALL Default=YES MaxTime=INFINITE State=UP OverSubscribe=FORCE:4
"""


def missing() -> str | None:
    """Why no Slurm can be started here; none where it can."""
    lacking = [name for name in _PROGRAMS if _program(name) is None]
    if sys.platform != "linux":
        return "Slurm is for Linux"
    if lacking:
        return f"Slurm is not installed (Debian: slurm-wlm): no {', '.join(lacking)}"
    return None if os.geteuid() == 0 else "slurmd starts jobs as root, which this user is not"


@contextmanager
def cluster(folder: Path) -> Iterator[dict[str, str]]:
    """Two idle nodes; yields the environment in which Slurm's commands find them."""
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o755)  # munged wants its socket reachable by all
    (folder / "state").mkdir()
    (folder / "munge.key").write_bytes(os.urandom(64))
    (folder / "munge.key").chmod(0o600)
    conf = folder / "slurm.conf"
    host = socket.gethostname().partition(".")[0]
    controller, first = _ports()
    conf.write_text(
        _CONF.format(folder=folder, host=host, controller=controller, first=first, second=first + 1), encoding="utf-8"
    )
    (folder / "cgroup.conf").write_text("CgroupPlugin=cgroup/v1\n", encoding="utf-8")
    environment = {**os.environ, "SLURM_CONF": str(conf)}
    munged = [
        *("munged", "--foreground", "--force", f"--key-file={folder}/munge.key", f"--socket={folder}/munge.socket"),
        *(f"--pid-file={folder}/munged.pid", f"--log-file={folder}/munged.log", f"--seed-file={folder}/munge.seed"),
    ]
    daemons: list[subprocess.Popen[bytes]] = []
    try:
        daemons.append(_daemon(munged, environment, folder))
        _wait(lambda: (folder / "munge.socket").exists(), folder)
        daemons.append(_daemon(["slurmctld", "-D", "-c", "-f", str(conf)], environment, folder))
        for node in ("node1", "node2"):
            daemons.append(_daemon(["slurmd", "-D", "-N", node, "-f", str(conf)], environment, folder))
        _wait(lambda: _idle(environment) == 2, folder)
        yield environment
    finally:
        subprocess.run(["scancel", "--user=root", "--signal=KILL"], env=environment, check=False, capture_output=True)
        subprocess.run(["scancel", "--user=root"], env=environment, check=False, capture_output=True)
        for daemon in reversed(daemons):
            daemon.terminate()
            with suppress(subprocess.TimeoutExpired):
                daemon.wait(timeout=10)
            daemon.kill()
            daemon.wait()


def _daemon(command: list[str], environment: dict[str, str], folder: Path) -> subprocess.Popen[bytes]:
    program = _program(command[0])
    assert program is not None
    with (folder / "daemons.log").open("ab") as log:
        return subprocess.Popen(
            [program, *command[1:]], env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )


def _program(name: str) -> str | None:
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")


def _idle(environment: dict[str, str]) -> int:
    shown = subprocess.run(
        ["sinfo", "--noheader", "--Node", "--format=%T"], env=environment, capture_output=True, text=True, check=False
    )
    return shown.stdout.split().count("idle")


def _ports() -> tuple[int, int]:
    """A free port, and the first of two that follow each other."""
    while True:
        with socket.socket() as one, socket.socket() as two, socket.socket() as three:
            one.bind(("127.0.0.1", 0))
            two.bind(("127.0.0.1", 0))
            with suppress(OSError, OverflowError):
                three.bind(("127.0.0.1", two.getsockname()[1] + 1))
                return one.getsockname()[1], two.getsockname()[1]


def _wait(happened: object, folder: Path) -> None:
    deadline = time.monotonic() + _SECONDS
    while not happened():  # type: ignore[operator]
        if time.monotonic() > deadline:
            logs = "\n".join(
                f"== {log.name}\n{log.read_text(errors='replace')[-2000:]}" for log in folder.glob("*.log")
            )
            raise AssertionError(f"Slurm did not start:\n{logs}")
        time.sleep(0.1)


if __name__ == "__main__":
    with cluster(Path(sys.argv[1]).absolute()) as found:
        print(f"export SLURM_CONF={found['SLURM_CONF']}", flush=True)
        with suppress(KeyboardInterrupt):
            time.sleep(86400)
