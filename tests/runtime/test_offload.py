from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from recipe_engine.runtime.offload import supported_offload

OFFLOADED: dict[str, Any] = {"deepspeed": {"zero_optimization": {"stage": 2, "offload_optimizer": {"device": "cpu"}}}}


@pytest.mark.parametrize(
    ("gpus", "compiler", "said"),
    [(1, True, None), (1, False, "needs a C++ compiler"), (0, True, "nothing to do"), (0, False, "nothing to do")],
)
def test_torchs_optimizer_is_used_where_deepspeeds_cannot_be_built_and_it_is_said(
    gpus: int, compiler: bool, said: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)
    if compiler:
        (tmp_path / "c++").touch(mode=0o755)
    notes: list[str] = []
    found = supported_offload(OFFLOADED, gpus, notes.append)
    assert found["deepspeed"].get("zero_force_ds_cpu_optimizer", True) is (said is None)
    assert [said in note for note in notes if said] == ([True] if said else [])


@pytest.mark.parametrize("given", [{}, {"deepspeed": "own.json"}, {"deepspeed": {"zero_optimization": {"stage": 2}}}])
def test_without_offload_and_in_a_file_of_the_users_nothing_is_changed(given: dict[str, Any]) -> None:
    assert supported_offload(given, 0, print) == given


def test_fsdp_offloads_on_gpus_alone() -> None:
    given = {"fsdp": True, "fsdp_config": {"version": 2, "cpu_offload": True}}
    notes: list[str] = []
    assert supported_offload(given, 1, notes.append) == given
    assert notes == []
    assert supported_offload(given, 0, notes.append)["fsdp_config"] == {"version": 2, "cpu_offload": False}
    assert "nothing to do" in notes[0]
