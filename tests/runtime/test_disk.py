"""A full disk is recognized from what each library raises on one."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from datasets.arrow_writer import ArrowWriter
from safetensors.torch import save_file
from transformers import TrainerControl

from recipe_engine.runtime.callbacks.metrics import MetricsFile, read_metrics
from recipe_engine.runtime.disk import full_disk

MORE = {"weights": torch.zeros(1 << 20)}


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 1 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(folder)], capture_output=True, check=False
    )
    if made.returncode:
        pytest.skip(f"this user may mount no file system: {made.stderr.decode().strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def arrow(file: Path) -> None:
    with ArrowWriter(path=str(file), writer_batch_size=1) as writer:
        for _ in range(64):
            writer.write({"text": "x" * 50_000})
        writer.finalize()


WRITERS: dict[str, Callable[[Path], Any]] = {
    "python": lambda file: file.write_bytes(b"x" * (2 << 20)),
    "torch": lambda file: torch.save(MORE, file),
    "safetensors": lambda file: save_file(MORE, file),
    "arrow": arrow,
}


@pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS)
def test_a_full_disk_is_told_whoever_writes(disk: Path, write: Callable[[Path], Any]) -> None:
    with pytest.raises(Exception) as caught:  # noqa: PT011 # each has its own
        write(disk / "file")
    found = full_disk(caught.value, disk, needed=4 << 20)
    assert found is not None
    assert found.message.startswith(f"the disk is full: {disk}")
    assert found.hint is not None
    assert found.hint.startswith("free some space, and start again")


def test_other_errors_are_not_taken_for_one(tmp_path: Path) -> None:
    assert full_disk(FileNotFoundError(2, "No such file"), tmp_path) is None
    assert full_disk(RuntimeError("PytorchStreamWriter failed"), tmp_path) is None  # there is space


def test_metrics_are_rewritten_beside_the_old_ones(disk: Path) -> None:
    """A resumed run takes back the lines after its checkpoint: on a full disk no line is lost."""
    file = disk / "metrics.jsonl"
    line = '{"step": %d, "loss": 1}\n'
    file.write_text("".join(line % step for step in range(1, 9)))
    (disk / "filler").write_bytes(b"x" * ((1 << 20) - 8192 + 4096))
    state: Any = SimpleNamespace(is_world_process_zero=True, global_step=6)
    callback = MetricsFile(file)
    with pytest.raises(OSError, match="No space left"):
        callback.on_train_begin(None, state, TrainerControl())  # type: ignore[arg-type]
    assert len(read_metrics(file)) == 8
    (disk / "filler").unlink()
    callback.on_train_begin(None, state, TrainerControl())  # type: ignore[arg-type]
    assert [entry["step"] for entry in read_metrics(file)] == [1, 2, 3, 4, 5, 6]
