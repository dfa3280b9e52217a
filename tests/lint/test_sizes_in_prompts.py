"""Sizes in prompts that do not divide are told the nearest that do, by the number of processes."""

from __future__ import annotations

from pathlib import Path

import pytest

from .support import check_overlay, codes, only

GRPO = "training:\n  algorithm: grpo\n  num_generations: 8\n"


@pytest.mark.parametrize(
    ("gpus", "settings", "hint"),
    [
        (4, "prompts_per_update: 33; per_device_train_batch_size: 8", "write prompts_per_update: 32"),
        (4, "prompts_per_update: 35; per_device_train_batch_size: 8", "write prompts_per_update: 36"),
        (8, "prompts_per_rollout: 12; per_device_train_batch_size: 8", "write prompts_per_rollout: 16"),
        (1, "prompts_per_rollout: 100; prompts_per_update: 64", "write prompts_per_rollout: 128"),
        (1, "prompts_per_rollout: 32; prompts_per_update: 64", "write prompts_per_rollout: 64"),
        (
            2,
            "prompts_per_rollout: 6; gradient_accumulation_steps: 4; per_device_train_batch_size: 8",
            "write prompts_per_rollout: 8",
        ),
    ],
)
def test_the_nearest_size_is_named(tmp_path: Path, gpus: int, settings: str, hint: str) -> None:
    lines = "".join(f"  {line.strip()}\n" for line in settings.split(";"))
    found = only(check_overlay(tmp_path, f"# with --num-gpus {gpus}\n{GRPO}{lines}"), "L380")
    assert found.severity == "error"
    assert str(found.hint).startswith(hint)
    key, _, size = hint.removeprefix("write ").partition(": ")
    mended = "".join(
        f"  {key}: {size}\n" if line.strip().startswith(key) else line + "\n" for line in lines.split("\n")
    )
    assert "L380" not in codes(check_overlay(tmp_path, f"# with --num-gpus {gpus}\n{GRPO}{mended}"))


def test_where_the_number_of_gpus_is_not_known_it_is_a_note_that_names_those_that_would_do(tmp_path: Path) -> None:
    text = f"{GRPO}  prompts_per_update: 4\n  per_device_train_batch_size: 8\n"
    found = only(check_overlay(tmp_path, text), "L380")
    assert found.severity == "note"
    assert str(found.hint).startswith("start it on 1, 2 or 4 GPUs, or write")


def test_an_accumulation_of_no_steps_is_no_crash(tmp_path: Path) -> None:
    text = f"{GRPO}  prompts_per_rollout: 8\n  gradient_accumulation_steps: 0\n"
    assert codes(check_overlay(tmp_path, text)) == ["L361"]
