"""Batch size, accumulation and processes are a matter of memory: the gradient of a step is the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.fork_server import ForkServer
from tests.numerics.one_step import assert_same, cuts_of, gradients
from tests.runtime.support import Row, assistant, user

WORDS = ["a", "quick", "brown fox", "jumps", "over the lazy", "dog", "again and", "again"]
ANSWERED: list[Row] = [
    {"messages": [user(f"Say {word}"), assistant(" ".join(WORDS[: n + 1]))]} for n, word in enumerate(WORDS)
]
PAIRS: list[Row] = [
    {"prompt": [user(word)], "chosen": [assistant(word * (n + 1))], "rejected": [assistant(f"not {word}")]}
    for n, word in enumerate(WORDS)
]
RATED: list[Row] = [{**pair, "margin": n / 4} for n, pair in enumerate(PAIRS)]
LABELLED: list[Row] = [
    {"prompt": [user(word)], "completion": [assistant(word * (n + 1))], "label": n % 3 == 0}
    for n, word in enumerate(WORDS)
]
STEPS: list[Row] = [{"input": f"{word} # " * (n + 1), "label": [n % 2 == 0] * (n + 1)} for n, word in enumerate(WORDS)]
PROMPTS: list[Row] = [{"prompt": [user(word)], "answer": word} for word in WORDS[:4]]
LENGTHS = {"rewards": [{"type": "length", "unit": "tokens", "max": 2, "slope": 9}]}
SAMPLED = {"group": 4, "data": {"max_length": 64}, **LENGTHS}
SHORT = {"max_completion_length": 8}
MORE_PROMPTS: list[Row] = [{"prompt": [user(word)], "answer": word} for word in WORDS[4:]]
STEERED = {"beta": 0.1, "kl_in_reward": True, "entropy_coef": 0.1, "lam": 0.9, "missing_eos_penalty": 0.5}
UNFILTERED = {"oversample_factor": 1}

CASES: dict[str, tuple[str, list[Row], dict[str, Any]]] = {
    "sft": ("sft", ANSWERED, {}),
    "dpo": ("dpo", PAIRS, {}),
    # At the start the policy is the reference, so the KL that kto estimates from a micro-batch is 0 in each.
    "kto": ("kto", LABELLED, {"training": {"undesirable_weight": 0.5}}),
    "reward_model": ("reward_model", RATED, {"training": {"center_rewards_coefficient": 0.1}}),
    "process_reward": ("process_reward", STEPS, {"training": {"placeholder_token": "#"}}),
    "grpo": ("grpo", PROMPTS, {**SAMPLED, "training": SHORT}),
    "gspo": ("gspo", PROMPTS, {**SAMPLED, "training": SHORT}),
    "ppo": ("ppo", [*PROMPTS, *MORE_PROMPTS], {**SAMPLED, "group": 1, "training": {**SHORT, **STEERED}}),
    "ppo with KL in the loss": ("ppo", PROMPTS, {**SAMPLED, "training": {**SHORT, "beta": 0.1, "entropy_coef": 0.1}}),
    "prime": ("prime", PROMPTS, {**SAMPLED, "training": {**SHORT, **UNFILTERED}}),
}


@pytest.mark.parametrize(("algorithm", "rows", "blocks"), CASES.values(), ids=CASES)
def test_a_step_has_one_gradient(
    ranks: ForkServer, tmp_path: Path, algorithm: str, rows: list[Row], blocks: dict[str, Any]
) -> None:
    cuts = cuts_of(len(rows) * blocks.get("group", 1))
    expected = gradients(ranks, tmp_path / "whole", algorithm, rows, cuts.pop("whole"), **blocks)
    for name, cut in cuts.items():
        assert_same(gradients(ranks, tmp_path / name, algorithm, rows, cut, **blocks), expected)
