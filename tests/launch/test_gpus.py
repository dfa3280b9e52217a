"""GPUs are counted by nvidia-smi, or by torch; here a script stands for the first, since no GPU is needed to count."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from recipe_engine.launch import gpus
from recipe_engine.launch.errors import LaunchError


@pytest.fixture(autouse=True)
def _no_word_about_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


@pytest.fixture
def two_gpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tool = tmp_path / "bin" / "nvidia-smi"
    tool.parent.mkdir()
    tool.write_text("#!/bin/sh\necho 'GPU 0: NVIDIA H200 (UUID: GPU-1)'\necho 'GPU 1: NVIDIA H200 (UUID: GPU-2)'\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tool.parent))


@pytest.mark.usefixtures("two_gpus")
@pytest.mark.parametrize(
    ("visible", "count"),
    [
        (None, 2),
        ("0,1", 2),
        ("1", 1),
        ("", 0),
        ("-1", 0),
        (" ", 0),
        ("GPU-1,GPU-2", 2),
        ("0,1,2", 2),
        ("7", 0),
        ("1,7,0", 1),
    ],
)
def test_those_that_are_visible_are_counted(visible: str | None, count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert gpus.count_gpus() == count


def test_without_the_tool_torch_is_asked_in_a_process_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(gpus, "_ASK_TORCH", "print(3)")
    before = set(sys.modules)
    assert gpus.count_gpus() == 3
    assert "torch" not in set(sys.modules) - before


@pytest.mark.parametrize("answer", ["raise ImportError('torch')", "print('a warning')"])
def test_where_nobody_can_tell_there_is_none(answer: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(gpus, "_ASK_TORCH", answer)
    assert gpus.count_gpus() == 0


@pytest.mark.usefixtures("two_gpus")
def test_more_than_there_are_is_an_error_that_says_how_many_there_are() -> None:
    gpus.demand_gpus(2)
    with pytest.raises(LaunchError) as caught:
        gpus.demand_gpus(3)
    error = caught.value
    assert (error.code, error.message) == ("T501", "--num-gpus 3: this machine has 2 GPUs")
    assert error.hint == "start with --num-gpus 2"


@pytest.mark.usefixtures("two_gpus")
@pytest.mark.parametrize(("visible", "words"), [("", "no GPU"), ("1", "1 GPU")])
def test_the_number_is_put_into_words(visible: str, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    with pytest.raises(LaunchError, match=f"this machine has {words}$"):
        gpus.demand_gpus(3)


def test_the_cpu_is_always_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpus, "count_gpus", lambda: pytest.fail("nobody needs to know"))
    gpus.demand_gpus(0)


@pytest.mark.parametrize(
    ("mebibytes", "planned", "said"),
    [
        ("81559 81559", 80, None),
        ("81559 24564", 80, "memory: a GPU here has 24 GiB, and the strategy was chosen for 80"),
        ("24564", 24, None),
    ],
)
def test_a_gpu_that_is_smaller_than_planned_is_said(
    mebibytes: str, planned: float, said: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tool = tmp_path / "nvidia-smi"
    tool.write_text(f"#!/bin/sh\nfor size in {mebibytes}; do echo $size; done\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    note = gpus.smaller_gpus(planned)
    assert note == (None if said is None else f"{said} (write launch.gpu_memory_gib: 24)")


def test_without_the_tool_nothing_is_said_of_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert gpus.smaller_gpus(80) is None
