from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import distributed

from recipe_engine.data.errors import DataError
from recipe_engine.runtime import worker
from recipe_engine.runtime.__main__ import main
from recipe_engine.runtime.errors import RunError
from recipe_engine.runtime.faults import Fault, kind_of
from tests.runtime.support import compiled

ROOT = Path(__file__).resolve().parents[2]

_PEER = """
import os, sys, time
from datetime import timedelta
import torch
from torch import distributed
rank, how, store = int(sys.argv[1]), sys.argv[2], distributed.FileStore(sys.argv[3], 2)
distributed.init_process_group("gloo", store=store, rank=rank, world_size=2, timeout=timedelta(seconds=4))
one = torch.ones(1)
distributed.all_reduce(one)
if rank == 1:
    if how == "dies":
        os._exit(1)
    time.sleep(8)
    os._exit(0)
try:
    for _ in range(3):
        distributed.all_reduce(one)
except Exception as error:
    from recipe_engine.runtime.faults import kind_of
    print(kind_of(error), flush=True)
    os._exit(0)
"""


@pytest.mark.parametrize("how", ["dies", "hangs"])
def test_a_process_that_lost_another_one_has_a_passing_fault(how: str, tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    ranks = [
        subprocess.Popen(
            [sys.executable, "-c", _PEER, str(rank), how, str(tmp_path / "store")],
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    said, _ = ranks[0].communicate(timeout=120)
    ranks[1].communicate(timeout=120)
    assert said == "passing\n"


def _of(error: Exception, cause: Exception | None = None) -> Exception:
    error.__cause__ = cause
    return error


LOST = "[/pytorch/third_party/gloo/gloo/transport/tcp/pair.cc:553] Connection closed by peer [127.0.0.1]:56485"


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (RuntimeError(LOST), "passing"),
        (RuntimeError("Timed out waiting 1800000ms for recv operation to complete"), "passing"),
        (distributed.DistBackendError("NCCL error in: NCCLUtils.cpp:77, remote process exited"), "passing"),
        (distributed.DistNetworkError("The client socket has timed out after 600000ms"), "passing"),
        (_of(ValueError("while saving"), RuntimeError(LOST)), "passing"),
        # mistakes, whatever they came upon
        (RuntimeError("The size of tensor a (4) must match the size of tensor b (5)"), "mistake"),
        (ValueError("Connection closed by peer"), "mistake"),
        (ConnectionError("the judge at 10.0.0.1 refused the connection"), "mistake"),
        (RunError("the loss is nan in step 3; no weight was changed by it"), "mistake"),
        (_of(RunError("the processes did not meet"), distributed.DistNetworkError("timed out")), "mistake"),
        (_of(DataError("D402", "rows.jsonl is gone"), RuntimeError(LOST)), "mistake"),
        (distributed.DistBackendError("Duplicate GPU detected : rank 0 and rank 1 both on CUDA device 1"), "mistake"),
        (RuntimeError("Detected mismatch between collectives on ranks. ProcessGroupGloo"), "mistake"),
        (KeyError("prompt"), "mistake"),
        # no memory left
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"), "memory"),
        (RuntimeError("[enforce fail at alloc_cpu.cpp:128] DefaultCPUAllocator: can't allocate memory"), "memory"),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"), "memory"),
        (distributed.DistBackendError("NCCL error: Cuda failure 2 'out of memory'"), "memory"),
        (MemoryError(), "memory"),
    ],
)
def test_the_kind_of_an_error(error: Exception, kind: Fault) -> None:
    assert kind_of(error) == kind


def test_what_an_error_came_upon_while_another_was_handled_says_nothing_of_it() -> None:
    error = KeyError("prompt")
    error.__context__ = RuntimeError(LOST)
    assert kind_of(error) == "mistake"


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (RuntimeError(LOST), 75, "error: the connection to another process was lost: RuntimeError: [/pytorch/"),
        (ValueError("a bug"), 1, "error: ValueError: a bug"),
        (torch.OutOfMemoryError("CUDA out of memory."), 1, "halve training.per_device_train_batch_size and double"),
    ],
)
def test_only_a_passing_fault_ends_with_the_code_of_one(
    error: Exception,
    code: int,
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail(_: object) -> None:
        raise error

    run = compiled(tmp_path, "sft", {"name": "d"})
    file = Path(run.run_dir) / "compiled.json"
    file.write_text(run.model_dump_json(), encoding="utf-8")
    for name in ("TOKENIZERS_PARALLELISM", "HF_HUB_DISABLE_TELEMETRY", "TQDM_DISABLE", "DS_ACCELERATOR"):
        monkeypatch.setenv(name, "false" if name != "DS_ACCELERATOR" else "cpu")
    monkeypatch.setattr(worker, "train", fail)
    assert main([str(file)]) == code
    assert said in capsys.readouterr().err


def test_an_allocation_that_the_cpu_cannot_serve_is_one_of_memory() -> None:
    with pytest.raises(RuntimeError) as caught:
        torch.empty(1 << 60, dtype=torch.uint8)
    assert kind_of(caught.value) == "memory"
