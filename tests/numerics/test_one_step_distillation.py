"""Distillation and online DPO: a step's gradient is the same for a whole batch, accumulated, and on two processes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.fork_server import ForkServer
from tests.numerics.one_step import assert_same, cuts_of, gradients
from tests.numerics.teacher import teacher_in
from tests.numerics.test_one_step import ANSWERED, LENGTHS, PROMPTS, SHORT, WORDS
from tests.runtime.support import Row

COMPLETED: list[Row] = [{"prompt": f"Say {word}:", "completion": " " + word * (n + 1)} for n, word in enumerate(WORDS)]
ROOM = {"data": {"max_length": 160, "max_prompt_length": 48}}

CASES: dict[str, tuple[str, list[Row], dict[str, Any]]] = {
    "distill": ("distill", ANSWERED, {"training": {"kd_coef": 0.7, "kd_temperature": 2.0}}),
    "distill, packed": ("distill", ANSWERED, {"training": {"padding_free": True}}),
    "gkd on its own samples": ("gkd", PROMPTS, {"data": {"max_length": 64}, "training": {**SHORT, "lmbda": 1.0}}),
    "gkd on the data": ("gkd", COMPLETED, {**ROOM, "training": {**SHORT, "lmbda": 0.0, "sft_coef": 0.5}}),
    "minillm": ("minillm", PROMPTS, {"data": {"max_length": 64}, "training": SHORT}),
    "minillm with language modelling": ("minillm", COMPLETED, {**ROOM, "training": {**SHORT, "pt_coef": 0.5}}),
    "online_dpo": ("online_dpo", PROMPTS, {"group": 4, "data": {"max_length": 64}, "training": SHORT, **LENGTHS}),
}


@pytest.mark.parametrize(("algorithm", "rows", "blocks"), CASES.values(), ids=CASES)
def test_a_step_has_one_gradient(
    ranks: ForkServer, tmp_path: Path, algorithm: str, rows: list[Row], blocks: dict[str, Any]
) -> None:
    training = dict(blocks.get("training", {}))
    if algorithm != "online_dpo":
        training["teacher_model"] = teacher_in(tmp_path / "teacher")
    blocks = {**blocks, "training": training}
    cuts = cuts_of(len(rows) * blocks.get("group", 1))
    if training.get("padding_free"):
        del cuts["ranks"]  # as rows have no padding, only the cut into micro-batches differs
    expected = gradients(ranks, tmp_path / "whole", algorithm, rows, cuts.pop("whole"), **blocks)
    for name, cut in cuts.items():
        assert_same(gradients(ranks, tmp_path / name, algorithm, rows, cut, **blocks), expected)
