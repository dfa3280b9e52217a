"""The quickstarts that train on pairs show learning: on the rows trained on, and on rows held out."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.support import logged, mean, trained


@pytest.mark.parametrize(
    ("name", "held_out_at_least"),
    [
        ("orpo", 0.85),
        # orpo's base class, and the DPO quickstart's, with another loss, which tests/numerics holds to a reference
        *[pytest.param(name, least, marks=pytest.mark.long) for name, least in (("simpo", 0.8), ("cpo", 0.85))],
        *[pytest.param(name, 0.7, marks=pytest.mark.long) for name in ("dpo_conservative", "dpo_ipo")],
    ],
)
def test_a_model_learns_which_answer_is_preferred(after_sft: Path, name: str, held_out_at_least: float) -> None:
    trained(f"{name}.yaml", after_sft)
    run = f"quickstart-{name}"
    assert mean(logged(after_sft, run, "rewards/accuracies")[-3:]) > 0.9
    losses = logged(after_sft, run, "eval_loss")
    assert losses[-1] < losses[0]
    assert logged(after_sft, run, "eval_rewards/accuracies")[-1] > held_out_at_least
    if name in {"orpo", "cpo", "dpo_conservative"}:  # their losses hold the likelihood of good answers up
        likelihoods = logged(after_sft, run, "nll_loss")
        assert likelihoods[-1] < likelihoods[0] * 0.8
