"""How other launchers say what the launch block says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from recipe_engine.lint.dialects.launching import REMOVED, RENAMES
from recipe_engine.recipe.launch import LaunchBlock
from tests.lint.support import check_overlay, codes, only


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("text", "field", "value"),
    [
        ("launch: {num_machines: 2}", "nodes", 2),
        ("launch: {nnodes: 2}", "nodes", 2),
        ("launch: {rdzv_endpoint: 'first:29500'}", "rendezvous", "first:29500"),
        ("launch: {max_restarts: 5}", "restarts", 5),
        ("launch: {distributed_type: FSDP}", "strategy", "fsdp2"),
        ("launch: {distributed_type: MULTI_GPU}", "strategy", "ddp"),
        ("launch: {zero_stage: 3}", "strategy", "zero3"),
        ("launch: {strategy: zero2, offload_optimizer_device: cpu}", "offload_optimizer", True),
        ("launch: {strategy: zero3, offload_param_device: none}", "offload_parameters", False),
        ("training: {fsdp: full_shard auto_wrap}", "strategy", "fsdp2"),
        ("training: {fsdp: true}", "strategy", "fsdp2"),
        ("training: {fsdp: ''}", "strategy", "auto"),
        ("training: {zero_stage: 2}", "strategy", "zero2"),
        ("training: {strategy: fsdp}", "strategy", "fsdp2"),
        ("training: {strategy: fsdp2}", "strategy", "fsdp2"),
        ("training: {mixed_precision: fp16}", "mixed_precision", "fp16"),
        ("training: {strategy: fsdp2, param_offload: true}", "offload_parameters", True),
        ("training: {nnodes: 2}", "nodes", 2),
    ],
)
def test_what_means_the_same_is_understood_with_a_note(text: str, field: str, value: Any, tmp_path: Path) -> None:
    checked = check_overlay(tmp_path, f"{text}\n")
    assert set(codes(checked)) == {"R206"}, checked.diagnostics
    assert checked.recipe is not None
    assert getattr(checked.recipe.launch, field) == value


@pytest.mark.parametrize(
    ("text", "instead"),
    [
        ("training: {fsdp_config: {activation_checkpointing: true}}", "launch.strategy: fsdp2"),
        ("launch: {num_processes: 8}", "--num-gpus"),
        ("launch: {machine_rank: 1}", "--node-rank"),
        ("launch: {main_process_ip: 10.0.0.1}", "launch.rendezvous"),
        ("deepspeed: ds_z3_config.json", "training.deepspeed_config: FILE"),
        ("fsdp: [full_shard, auto_wrap]", "launch.strategy: fsdp2"),
        ("mixed_precision: bf16", "launch.mixed_precision"),
        ("num_machines: 2", "launch.nodes"),
    ],
)
def test_what_is_said_otherwise_here_is_an_error_that_says_how(text: str, instead: str, tmp_path: Path) -> None:
    found = only(check_overlay(tmp_path, f"{text}\n"), "R207")
    assert found.severity == "error"
    assert instead in (found.hint or "")


def test_two_spellings_with_two_values_are_an_error(tmp_path: Path) -> None:
    text = "training: {zero_stage: 3}\nlaunch: {strategy: ddp}\n"
    assert codes(check_overlay(tmp_path, text)) == ["R207"]


def test_a_way_to_split_that_is_not_there_is_no_other_one(tmp_path: Path) -> None:
    assert codes(check_overlay(tmp_path, "training: {fsdp: shard_grad_op auto_wrap}\n")) == ["R206", "R204"]


def test_no_spelling_hides_a_setting_of_ours() -> None:
    ours = {("launch", name) for name in LaunchBlock.model_fields}
    assert not ours & {removed.key for removed in REMOVED}
    assert not ours & {rename.old for rename in RENAMES}
    assert {rename.new for rename in RENAMES} <= ours
