"""The quickstarts of PPO and PRIME, run as a user runs them: policy and second model both learn."""

from __future__ import annotations

from pathlib import Path

import pytest
from transformers import AutoModelForCausalLM, AutoModelForTokenClassification

from tests.e2e.support import gain, logged, mean, trained


def test_ppo_raises_the_mean_reward_by_a_fifth_and_its_critic_explains_returns(after_sft: Path) -> None:
    trained("ppo.yaml", after_sft)
    run = "quickstart-ppo"
    assert gain(logged(after_sft, run, "reward")) >= 0.2
    losses = logged(after_sft, run, "value_loss")
    assert mean(losses[-5:]) < 0.7 * losses[0]
    assert mean(logged(after_sft, run, "value/explained_variance")[-10:]) > 0.02
    AutoModelForTokenClassification.from_pretrained(after_sft / "models" / run / "critic")


@pytest.mark.long  # tests/numerics holds each of its steps to a reference
def test_prime_raises_the_mean_reward_by_a_fifth_and_its_reward_model_knows_right_from_wrong(after_sft: Path) -> None:
    trained("prime.yaml", after_sft)
    run = "quickstart-prime"
    assert gain(logged(after_sft, run, "reward")) >= 0.2
    assert mean(logged(after_sft, run, "prm/accuracy")[-5:]) > 0.75
    assert mean(logged(after_sft, run, "prm/loss")[-5:]) < 0.69  # ln 2, the loss of a model that knows nothing
    AutoModelForCausalLM.from_pretrained(after_sft / "models" / run / "prm")
