"""Batch size, accumulation and processes are a matter of memory: the gradient of a step is the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

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
PROMPTS: list[Row] = [{"prompt": [user(word)], "answer": word} for word in WORDS[:4]]
LENGTHS = {"rewards": [{"type": "length", "unit": "tokens", "max": 2, "slope": 9}]}
SAMPLED = {"group": 4, "data": {"max_length": 64}, **LENGTHS}
SHORT = {"max_completion_length": 8}

CASES: dict[str, tuple[str, list[Row], dict[str, Any]]] = {
    "sft": ("sft", ANSWERED, {}),
    "dpo": ("dpo", PAIRS, {}),
    "grpo": ("grpo", PROMPTS, {**SAMPLED, "training": SHORT}),
    "gspo": ("gspo", PROMPTS, {**SAMPLED, "training": SHORT}),
}


@pytest.mark.parametrize(("algorithm", "rows", "blocks"), CASES.values(), ids=CASES)
def test_a_step_has_one_gradient(tmp_path: Path, algorithm: str, rows: list[Row], blocks: dict[str, Any]) -> None:
    cuts = cuts_of(len(rows) * blocks.get("group", 1))
    expected = gradients(tmp_path / "whole", algorithm, rows, cuts.pop("whole"), **blocks)
    for name, cut in cuts.items():
        assert_same(gradients(tmp_path / name, algorithm, rows, cut, **blocks), expected)
