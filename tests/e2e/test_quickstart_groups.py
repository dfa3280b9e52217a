"""The quickstarts of the GRPO family, run as a user runs them: each raises the reward of one small task."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.support import gain, logged, trained

ALGORITHMS = ("dapo", "remax")
FURTHER = ("dr_grpo", "gspo", "cispo", "rloo", "reinforce_plus_plus", "reinforce_plus_plus_baseline", "opo", "gpg")
"""Those whose trainer differs from one above in a formula alone, which tests/numerics holds to a reference."""


@pytest.mark.parametrize("algorithm", [*ALGORITHMS, *(pytest.param(name, marks=pytest.mark.long) for name in FURTHER)])
def test_it_raises_the_mean_reward(after_sft: Path, algorithm: str) -> None:
    trained(f"{algorithm}.yaml", after_sft)
    run = f"quickstart-{algorithm.replace('_', '-')}"
    assert gain(logged(after_sft, run, "reward")) >= 0.15
    if algorithm == "dapo":
        assert max(logged(after_sft, run, "sampling/rounds")) > 1
        assert min(logged(after_sft, run, "sampling/unfilled_groups")) == 0
    if algorithm in {"rloo", "reinforce_plus_plus"}:
        assert logged(after_sft, run, "kl")[-1] > 0
