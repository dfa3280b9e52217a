"""The rules on saving, evaluating and precision refuse what transformers refuses, and nothing that it takes."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import pytest

from .support import check_overlay, codes


def refused_by_transformers(folder: Path, arguments: dict[str, Any]) -> bool:
    trl = pytest.importorskip("trl")
    try:
        trl.SFTConfig(output_dir=str(folder / "out"), use_cpu=True, **arguments)
    except ValueError:
        return True
    return False


def refused_by_rules(folder: Path, arguments: dict[str, Any]) -> set[str]:
    text = f"data: {{eval_holdout: 0.1}}\ntraining: {json.dumps(arguments)}\n"
    return {found.code for found in check_overlay(folder, text).diagnostics if found.severity == "error"}


@pytest.mark.slow
def test_on_every_combination_of_saving_and_evaluating(tmp_path: Path) -> None:
    combinations = itertools.product(
        (True, False),
        ("no", "steps", "epoch"),
        ("no", "steps", "epoch", "best"),
        (100, 0.5, 0.3),
        (None, 100, 200, 0.1),
    )
    for load_best, evaluates, saves, save_steps, eval_steps in combinations:
        arguments = {
            "load_best_model_at_end": load_best,
            "eval_strategy": evaluates,
            "save_strategy": saves,
            "save_steps": save_steps,
            "eval_steps": eval_steps,
            "metric_for_best_model": "loss",
        }
        if saves == "best" and evaluates == "no":
            continue  # transformers takes it, and never saves
        refused = refused_by_rules(tmp_path, arguments)
        assert bool(refused) == refused_by_transformers(tmp_path, arguments), (arguments, refused)
        assert refused <= {"L318"}


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ({"fp16": True, "bf16": True}, "L310"),
        ({"fp16": True, "bf16": None}, None),
        ({"fp16_full_eval": True, "bf16_full_eval": True, "eval_strategy": "epoch"}, "L310"),
        ({"dataloader_prefetch_factor": 2}, "L322"),
        ({"dataloader_prefetch_factor": 2, "dataloader_num_workers": 1}, None),
        ({"lr_scheduler_type": "reduce_lr_on_plateau"}, "L316"),
        ({"lr_scheduler_type": "greedy", "eval_strategy": "epoch"}, None),
        ({"warmup_steps": -1}, "L313"),
        ({"logging_steps": 1.5}, "L360"),
        ({"logging_steps": 2.0}, None),
        ({"save_steps": 2.5}, "L360"),
        ({"save_steps": 2.5, "save_strategy": "epoch"}, None),
        ({"eval_strategy": "steps", "eval_steps": 2.5}, "L360"),
        ({"logging_steps": 0}, "L360"),
    ],
)
def test_on_single_settings(tmp_path: Path, arguments: dict[str, Any], code: str | None) -> None:
    assert refused_by_transformers(tmp_path, arguments) == (code is not None)
    assert refused_by_rules(tmp_path, arguments) == ({code} if code else set())


def test_an_interval_of_none_means_that_of_logging(tmp_path: Path) -> None:
    arguments = {"eval_strategy": "steps", "logging_steps": 30, "save_steps": 100, "load_best_model_at_end": True}
    assert refused_by_transformers(tmp_path, arguments)
    assert codes(check_overlay(tmp_path, f"data: {{eval_holdout: 0.1}}\ntraining: {json.dumps(arguments)}")) == ["L318"]
