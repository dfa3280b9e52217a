"""A step of preference optimization has one gradient, however its rows are cut and shared."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.fork_server import ForkServer
from tests.numerics.one_step import assert_same, cuts_of, gradients
from tests.numerics.test_one_step import PAIRS

CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "orpo": ("orpo", {}),
    "simpo": ("simpo", {"nll_loss_coef": 0.5}),
    "cpo": ("cpo", {}),
    "dpo": ("dpo", {"loss_type": ["sigmoid", "ipo_sum"], "label_smoothing": 0.1, "nll_loss_coef": 0.5}),
}


@pytest.mark.parametrize(("algorithm", "settings"), CASES.values(), ids=CASES)
def test_a_step_has_one_gradient(ranks: ForkServer, tmp_path: Path, algorithm: str, settings: dict[str, Any]) -> None:
    cuts = cuts_of(len(PAIRS))
    expected = gradients(ranks, tmp_path / "whole", algorithm, PAIRS, cuts.pop("whole"), training=dict(settings))
    for name, cut in cuts.items():
        found = gradients(ranks, tmp_path / name, algorithm, PAIRS, cut, training=dict(settings))
        assert_same(found, expected)
