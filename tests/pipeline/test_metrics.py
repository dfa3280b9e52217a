"""What a gate may ask for is what an evaluation writes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from recipe_engine.pipeline.checks.metrics import SIDES, not_measured
from recipe_engine.recipe.stages.evaluate import EvaluateStage
from recipe_engine.recipe.thinking import ThinkingBlock
from recipe_engine.runtime.stages.summary import Measured, summary_of


def numbers(summary: Mapping[str, Any], before: str) -> Iterator[str]:
    for name, value in summary.items():
        if isinstance(value, dict) and "low" not in value:
            yield from numbers(value, f"{before}.{name}")
        else:
            yield f"{before}.{name}"


def test_every_number_of_a_summary_is_known_before_it_is_written() -> None:
    rewards = [{"type": "exact_match"}, {"type": "length", "name": "short", "max": 9}]
    given = {"id": "e", "kind": "evaluate", "model": "m", "base": "b", "rows": "r", "nll_rows": "h", "tasks": ["t"]}
    stage = EvaluateStage.model_validate({**given, "rewards": rewards, "resamples": 100})
    rows = [
        {
            "prompt_id": str(number),
            "completion": "<think>a</think>b",
            "finish_reason": "stop",
            "completion_tokens": 3,
            "data_source": "math",
            "reward": float(number),
            "rewards": {"exact_match": 1.0, "exact_match/malformed": 0.0, "short": 0.5},
        }
        for number in range(3)
    ]
    measured = Measured(rows, [{"number": 0, "nll": 2.0, "tokens": 2}], {"t.acc": 0.5})
    summary = summary_of(stage, ThinkingBlock(), measured, measured, 0)
    found = [name for side in SIDES for name in numbers(summary[side], side)]
    assert len(found) > 60
    assert [name for name in found if not_measured(name, stage, thinking=True) is not None] == []
