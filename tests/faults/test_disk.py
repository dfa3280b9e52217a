"""Disks that fill up during a run, and folders that cannot be written: nothing that was saved is lost."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from safetensors.torch import load_file

from recipe_engine.checkpoints import STAGING, whole_checkpoints
from recipe_engine.runtime.errors import RunError
from recipe_engine.runtime.model import model_path
from tests.faults.support import command, finished, recipe, run_to_end, start, steps_logged, wait_until
from tests.runtime.support import compiled

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="mounts file systems")

_SIZE = 48 << 20
_LEFT = 31 << 19
"""A checkpoint of the embedded model takes 7.2 MB, the model 2.4: two checkpoints fit, and nothing beside them."""


def mounted(folder: Path, *arguments: str) -> bool:
    return subprocess.run(["mount", *arguments, str(folder)], capture_output=True, check=False).returncode == 0


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    if not mounted(folder, "-t", "tmpfs", "-o", f"size={_SIZE}", "none"):
        pytest.skip("this user may mount no file system")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.fixture
def read_only(tmp_path: Path) -> Iterator[Path]:
    """A folder that even root cannot write to."""
    folder = tmp_path / "fixed"
    folder.mkdir()
    if not mounted(folder, "-t", "tmpfs", "-o", "ro,size=1m", "none"):
        pytest.skip("this user may mount no file system")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def run_while_somebody_fills(disk: Path, file: Path) -> tuple[int, str]:
    """A run on a disk that has room enough when it starts, and no longer at its first step."""
    process = start(file)
    wait_until(process, lambda: steps_logged(disk / "run") >= 1)
    assert not list((disk / "run").glob("checkpoint-*"))
    with (disk / "filler").open("wb") as filler:
        os.posix_fallocate(filler.fileno(), 0, shutil.disk_usage(disk).free - _LEFT)
    return finished(process)


def test_a_checkpoint_that_does_not_fit_ends_the_run_and_costs_none_of_the_earlier_ones(
    tmp_path: Path, small_disk: Path
) -> None:
    output = small_disk / "run"
    settings = {"output_dir": str(output), "max_steps": 60, "save_steps": 20, "save_total_limit": 4}
    code, said = run_while_somebody_fills(small_disk, recipe(tmp_path, training=settings))
    assert code == 1, said
    assert f"error: the disk is full: {output} could not be written: the checkpoint of step 60 was not saved" in said
    assert f"free some space ({output} holds 2 checkpoints, 14 MB; the newest is needed), and start again" in said
    assert "Traceback" not in said
    assert [path.name for path in whole_checkpoints(output)] == ["checkpoint-20", "checkpoint-40"]
    assert not (output / STAGING).exists()


def test_a_model_that_does_not_fit_is_saved_from_the_last_checkpoint_once_it_does(
    tmp_path: Path, small_disk: Path
) -> None:
    output = small_disk / "run"
    settings = {"output_dir": str(output), "max_steps": 40, "save_steps": 20, "save_total_limit": 4}
    file = recipe(tmp_path, training=settings)
    code, said = run_while_somebody_fills(small_disk, file)
    assert code == 1, said
    assert f"error: the disk is full: {output}" in said
    assert "Traceback" not in said
    assert [path.name for path in whole_checkpoints(output)] == ["checkpoint-20", "checkpoint-40"]
    (small_disk / "filler").unlink()
    said = run_to_end(file)
    assert "only the model is left to be saved" in said
    assert steps_logged(output) == 40
    assert (
        load_file(output / "model.safetensors").keys() == load_file(output / "checkpoint-40/model.safetensors").keys()
    )


def test_a_full_disk_under_the_log_stops_nothing(tmp_path: Path, small_disk: Path) -> None:
    (tmp_path / "logs").symlink_to(small_disk)
    (small_disk / "filler").write_bytes(b"x" * _SIZE)
    said = run_to_end(recipe(tmp_path, training={"max_steps": 3, "save_strategy": "no"}))
    assert "the log cannot be written any more: No space left on device" in said
    assert "run: done" in said


@pytest.mark.parametrize("setting", ["training.output_dir", "the log"])
def test_a_folder_that_cannot_be_written_is_an_error_before_anything_is_loaded(
    tmp_path: Path, read_only: Path, setting: str
) -> None:
    if setting == "the log":
        (tmp_path / "logs").symlink_to(read_only)
    output = "models/run" if setting == "the log" else str(read_only / "run")
    made = subprocess.run(
        command(recipe(tmp_path, training={"output_dir": output})),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode == 1, made
    assert f"error[T503]: {setting}: " in made.stderr
    assert "cannot be written to" in made.stderr
    assert not (tmp_path / "models").exists()


def test_caches_that_cannot_be_written_are_not_needed(tmp_path: Path, read_only: Path) -> None:
    """An embedded or a local model and local rows need nothing of the Hub's caches."""
    caches = {"HF_HOME": str(read_only / "hub"), "HF_DATASETS_CACHE": str(read_only / "datasets")}
    file = recipe(tmp_path, training={"max_steps": 1, "save_strategy": "no"})
    with pytest.MonkeyPatch.context() as patch:
        for name, folder in caches.items():
            patch.setenv(name, folder)
        assert "run: done" in run_to_end(file)


def test_the_cache_of_embedded_models_is_needed_and_named(
    tmp_path: Path, read_only: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RECIPE_ENGINE_CACHE", str(read_only))
    run = compiled(tmp_path, "sft", {"name": "builtin/conversations"})
    with pytest.raises(RunError, match=r"builtin/tiny-chat cannot be kept: .*Read-only file system") as caught:
        model_path(run)
    assert caught.value.hint == f"it is kept in {read_only}; RECIPE_ENGINE_CACHE names another folder"
