"""``python -m tests.fork_server``: training processes that need not import torch again.

A line of JSON on standard input starts a training, ``{"compiled": ..., "processes": ..., "module": ...}``: each of its
processes is a fork of this one, in which nothing but imports has happened, and does what ``python -m MODULE COMPILED``
does. The answer, a line on standard output, is the list of their exit codes.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import traceback
from importlib import import_module
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
WORKER = "recipe_engine.runtime.__main__"


class ForkServer:
    """A server in a process of its own, with the embedded model in ``cache``."""

    def __init__(self, cache: Path) -> None:
        environment = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "OMP_NUM_THREADS": "1",  # a fork does not take threads along
            "CUDA_VISIBLE_DEVICES": "",
            "TOKENIZERS_PARALLELISM": "false",
            "RECIPE_ENGINE_CACHE": str(cache),
        }
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )

    def train(self, compiled: Path, processes: int, module: str = WORKER) -> None:
        """Train a compiled run; what its processes say goes to ``output.txt`` beside it."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(
            json.dumps({"compiled": str(compiled), "processes": processes, "module": module}) + "\n"
        )
        self._process.stdin.flush()
        codes = json.loads(self._process.stdout.readline())
        assert codes == [0] * processes, (compiled.parent / "output.txt").read_text(encoding="utf-8", errors="replace")

    def close(self) -> None:
        """End the server."""
        self._process.communicate(timeout=30)


def serve() -> None:
    """Answer until standard input ends."""
    import datasets  # noqa: F401
    import trl

    import recipe_engine.runtime.worker  # noqa: F401

    # imported on first use
    assert trl.SFTTrainer
    assert trl.GRPOTrainer
    for line in sys.stdin:
        asked = json.loads(line)
        answer = _trained(**asked)
        print(json.dumps(answer), flush=True)


def _trained(compiled: str, processes: int, module: str) -> list[int]:
    group = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(_free_port()), "WORLD_SIZE": str(processes)}
    group["LOCAL_WORLD_SIZE"] = str(processes)
    pids = []
    for rank in range(processes):
        pid = os.fork()
        if pid == 0:
            if processes > 1:
                os.environ |= {**group, "RANK": str(rank), "LOCAL_RANK": str(rank)}
            os._exit(_in_fork(compiled, module))
        pids.append(pid)
    return [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids]


def _in_fork(compiled: str, module: str) -> int:
    output = os.open(Path(compiled).parent / "output.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(output, 1)
    os.dup2(output, 2)
    try:
        code: int = import_module(module).main([compiled])
        return code
    except BaseException:  # noqa: BLE001 # a fork must not go on as its parent
        traceback.print_exc()
        return 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


if __name__ == "__main__":
    serve()
