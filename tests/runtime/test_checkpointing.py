"""A checkpoint is brought to the disk and into place while training goes on, and everything that needs it waits."""

from __future__ import annotations

import errno
import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from transformers import Trainer
from trl import SFTTrainer

from recipe_engine import checkpoints
from recipe_engine.checkpoints import MARKER, STAGING, is_whole, whole_checkpoints
from recipe_engine.compiled import CompiledRun
from recipe_engine.runtime import checkpointing
from recipe_engine.runtime.errors import RunError, StoppedError
from recipe_engine.runtime.worker import train
from tests.runtime.support import compiled, logged

PATIENCE = 60.0
SLOW = 0.7
"""Seconds by which a disk is slower than two steps of training."""

Seal = Callable[[Path], None]


def saving_run(folder: Path, training: dict[str, Any] | None = None, **blocks: Any) -> CompiledRun:
    settings = {"max_steps": 4, "save_strategy": "steps", "save_steps": 2, "per_device_train_batch_size": 2}
    return compiled(folder, "sft", {"name": "builtin/conversations"}, training=settings | (training or {}), **blocks)


def names(output: Path) -> list[str]:
    return [path.name for path in whole_checkpoints(output)]


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[Path, Seal], None]], None]:
    """Has something happen instead of sealing, which is given the checkpoint and what seals it."""

    def instead(happening: Callable[[Path, Seal], None]) -> None:
        monkeypatch.setattr(checkpointing, "seal", lambda written: happening(written, checkpoints.seal))

    return instead


def slow(written: Path, seal: Seal) -> None:
    time.sleep(SLOW)
    seal(written)


def test_training_goes_on_meanwhile_and_its_end_and_the_best_model_wait(
    tmp_path: Path, disk: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = saving_run(
        tmp_path,
        {"save_total_limit": 1, "load_best_model_at_end": True, "eval_strategy": "steps", "eval_steps": 2},
        data={"eval_holdout": 2},
    )
    output, found, best = Path(run.output_dir), list[list[str]](), list[bool]()

    def on_a_slow_disk(written: Path, seal: Seal) -> None:
        found.append(names(output))
        assert threading.current_thread() is not threading.main_thread()
        before = {path: path.read_bytes() for path in written.rglob("*") if path.is_file()}
        deadline = time.monotonic() + PATIENCE
        while len(found) == 1 and 3 not in logged(run, "step"):  # no step follows the second
            assert time.monotonic() < deadline, "training did not go on"
            time.sleep(0.01)
        slow(written, seal)
        after = {path: path.read_bytes() for path in written.rglob("*") if path.name != MARKER and path.is_file()}
        assert before == after, "training wrote to what was being sealed"

    disk(on_a_slow_disk)
    load = Trainer._load_best_model

    def observed(self: Any) -> None:
        best.append(is_whole(Path(self.state.best_model_checkpoint)))
        load(self)

    monkeypatch.setattr(Trainer, "_load_best_model", observed)
    train(run)
    assert found == [[], ["checkpoint-2"]], "the older one goes only once the newer one stands"
    assert best == [True]
    assert names(output) == ["checkpoint-4"]
    assert not (output / STAGING).exists()


@pytest.mark.parametrize(
    ("code", "says"),
    [
        (errno.ENOSPC, "disk .*full.* checkpoint of step 16 was not saved"),
        (errno.EIO, "did not take .* step 16: .*Input/output"),
    ],
    ids=["full", "broken"],
)
def test_what_the_disk_refuses_ends_training_soon_and_costs_no_earlier_checkpoint(
    tmp_path: Path, disk: Any, code: int, says: str
) -> None:
    run = saving_run(tmp_path, {"max_steps": 400, "save_steps": 8, "save_total_limit": 1})
    output = Path(run.output_dir)

    def refusing(written: Path, seal: Seal) -> None:
        if written.name == "checkpoint-16":
            raise OSError(code, os.strerror(code))
        seal(written)

    disk(refusing)
    with pytest.raises(RunError, match=says) as caught:
        train(run)
    assert str(output) in str(caught.value)
    assert logged(run, "step")[-1] < 24, "it was not told before the next save"
    assert names(output) == ["checkpoint-8"]
    assert not (output / STAGING).exists()


def test_a_stop_waits(tmp_path: Path, disk: Any) -> None:
    run = saving_run(tmp_path, {"max_steps": 400, "save_steps": 2})
    output = Path(run.output_dir)

    def signalled(written: Path, seal: Seal) -> None:
        if written.name == "checkpoint-2":
            os.kill(os.getpid(), signal.SIGTERM)
        slow(written, seal)

    disk(signalled)
    with pytest.raises(StoppedError) as caught:
        train(run)
    assert names(output) == ["checkpoint-2", f"checkpoint-{caught.value.step}"]
    assert not (output / STAGING).exists()


@pytest.mark.parametrize("refused", [False, True])
def test_an_error_after_a_save_waits_and_stays_the_one_that_is_told(
    tmp_path: Path, disk: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], refused: bool
) -> None:
    run = saving_run(tmp_path)
    compute = SFTTrainer.compute_loss

    def spoiled(self: Any, *arguments: Any, **keywords: Any) -> Any:
        loss = compute(self, *arguments, **keywords)
        return loss * float("nan") if self.state.global_step == 2 else loss

    def on_a_slow_disk(written: Path, seal: Seal) -> None:
        time.sleep(SLOW)
        if refused:
            raise OSError(errno.ENOSPC, "No space left on device")
        seal(written)

    monkeypatch.setattr(SFTTrainer, "compute_loss", spoiled)
    disk(on_a_slow_disk)
    with pytest.raises(RunError, match="the loss is nan in step 3"):
        train(run)
    assert names(Path(run.output_dir)) == ([] if refused else ["checkpoint-2"])
    assert ("the checkpoint of step 2 was not saved" in capsys.readouterr().out) is refused


def test_an_upload_waits(tmp_path: Path, disk: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    run = saving_run(tmp_path, s3={"enabled": True, "bucket": "bucket", "upload_final_model": False})
    uploaded = list[bool]()
    monkeypatch.setattr(
        "recipe_engine.runtime.callbacks.upload.upload", lambda source, *_, **__: uploaded.append(is_whole(source))
    )
    disk(slow)
    train(run)
    assert uploaded == [True, True]
