"""The rules about sampling batches refuse exactly what TRL refuses."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from .support import check_overlay

SIZES = {
    "per_device_train_batch_size": (1, 3, 8),
    "gradient_accumulation_steps": (1, 4),
    "steps_per_generation": (None, 2, 3),
    "generation_batch_size": (None, 24, 64),
    "num_generations": (2, 6, 8),
}
PROCESSES = (1, 2, 3)


@pytest.mark.slow
def test_on_every_combination_of_sizes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trl = pytest.importorskip("trl")
    seen = set()
    for processes, *values in itertools.product(PROCESSES, *SIZES.values()):
        sizes = {name: value for name, value in zip(SIZES, values, strict=True) if value is not None}
        # Everything but the number of processes is TRL's own: starting them would take minutes.
        monkeypatch.setattr(trl.GRPOConfig, "world_size", property(lambda _, count=processes: count))
        try:
            trl.GRPOConfig(output_dir=str(tmp_path), use_cpu=True, bf16=False, report_to="none", **sizes)
            accepted = True
        except ValueError:
            accepted = False
        lines = "\n".join(f"  {name}: {value}" for name, value in sizes.items())
        overlay = f"training:\n  algorithm: grpo\n{lines}\nlaunch:\n  cpu_processes: {processes}\n"
        checked = check_overlay(tmp_path, f"# with --num-gpus 0\n{overlay}")
        refused = {found.code for found in checked.diagnostics} & {"L332", "L333"}
        assert accepted == (not refused), (processes, sizes, checked.diagnostics)
        seen.add((accepted, *refused))
    assert seen == {(True,), (False, "L332"), (False, "L333")}
