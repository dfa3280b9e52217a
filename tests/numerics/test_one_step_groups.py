"""One gradient a step, whatever the cut, for the estimators and penalties of the GRPO family."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.fork_server import ForkServer
from tests.numerics.one_step import assert_same, cuts_of, gradients
from tests.numerics.test_one_step import PROMPTS, SAMPLED, SHORT
from tests.runtime.support import Row

CASES: dict[str, tuple[str, Row]] = {
    "dr_grpo": ("dr_grpo", {}),
    "cispo": ("cispo", {}),
    "scaled by the batch": ("grpo", {"scale_rewards": "batch", "loss_type": "grpo"}),
    "rloo": ("rloo", {}),
    "reinforce_plus_plus": ("reinforce_plus_plus", {"gamma": 0.9}),
    "reinforce_plus_plus_baseline": ("reinforce_plus_plus_baseline", {}),
    "remax": ("remax", {}),
    "opo": ("opo", {}),
    "gpg": ("gpg", {}),
}


@pytest.mark.parametrize(("algorithm", "settings"), CASES.values(), ids=CASES)
def test_a_step_has_one_gradient(ranks: ForkServer, tmp_path: Path, algorithm: str, settings: Row) -> None:
    blocks: dict[str, Any] = {**SAMPLED, "training": {**SHORT, **settings}}
    cuts = cuts_of(len(PROMPTS) * 4)
    expected = gradients(ranks, tmp_path / "whole", algorithm, PROMPTS, cuts.pop("whole"), **blocks)
    for name, cut in cuts.items():
        assert_same(gradients(ranks, tmp_path / name, algorithm, PROMPTS, cut, **blocks), expected)
