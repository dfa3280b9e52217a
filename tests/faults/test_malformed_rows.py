"""One bad row of each format: the dataset, the row and the column are named, before a model is loaded."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from recipe_engine.algorithms import algorithm
from recipe_engine.data.check import check_dataset
from recipe_engine.data.errors import DataError
from recipe_engine.data.steps import step_tokens
from recipe_engine.launch.preflight import preflight
from tests.runtime.support import assistant, compiled, user

Row = dict[str, Any]

TALK = [user("Hi"), assistant("Hello")]
CASES: dict[str, tuple[str, Row, Row, str]] = {
    "text": ("cpt", {"text": "Water boils."}, {"text": 3}, "text"),
    "messages without content": (
        "sft",
        {"messages": TALK},
        {"messages": [user("Hi"), {"role": "assistant"}]},
        "messages",
    ),
    "messages of an unknown role": (
        "sft",
        {"messages": TALK},
        {"messages": [user("Hi"), {"role": "oracle", "content": "Hello"}]},
        "messages",
    ),
    "messages that are none": ("sft", {"messages": TALK}, {"messages": "Hi"}, "messages"),
    "prompt_completion": ("sft", {"prompt": "a", "completion": "b"}, {"prompt": "a", "completion": ""}, "completion"),
    "a column that is missing": ("sft", {"prompt": "a", "completion": "b"}, {"prompt": "a"}, "completion"),
    "alpaca": ("sft", {"instruction": "a", "output": "b"}, {"instruction": None, "output": "b"}, "instruction"),
    "sharegpt": (
        "sft",
        {"conversations": [{"from": "human", "value": "a"}, {"from": "gpt", "value": "b"}]},
        {"conversations": [{"from": "human", "value": "a"}, {"from": "gpt"}]},
        "conversations",
    ),
    "preference": (
        "dpo",
        {"prompt": "a", "chosen": "b", "rejected": "c"},
        {"prompt": "a", "chosen": "b", "rejected": "b"},
        "rejected",
    ),
    "margin": (
        "reward_model",
        {"prompt": "a", "chosen": "b", "rejected": "c", "margin": 1.5},
        {"prompt": "a", "chosen": "b", "rejected": "c", "margin": "much"},
        "margin",
    ),
    "unpaired": (
        "kto",
        {"prompt": "a", "completion": "b", "label": True},
        {"prompt": "a", "completion": "b", "label": "good"},
        "label",
    ),
    "prompt": ("grpo", {"prompt": "a", "answer": "b"}, {"prompt": [], "answer": "b"}, "prompt"),
    "stepwise": (
        "process_reward",
        {"prompt": "a", "completions": ["b", "c"], "labels": [True, False]},
        {"prompt": "a", "completions": ["b", "c"], "labels": [True]},
        "labels",
    ),
}

NEEDED: dict[str, Row] = {
    "grpo": {"rewards": [{"type": "exact_match"}]},
    "process_reward": {"training": {"placeholder_token": "?", "reward_tokens": ["+", "-"]}},
}


@pytest.mark.parametrize(("name", "good", "bad", "column"), CASES.values(), ids=CASES)
def test_it_is_named(tmp_path: Path, name: str, good: Row, bad: Row, column: str) -> None:
    rows = tmp_path / "rows.jsonl"
    rows.write_text("".join(json.dumps(row) + "\n" for row in (good, bad)), encoding="utf-8")
    run = compiled(tmp_path, name, {"name": str(rows)}, **NEEDED.get(name, {}))
    with pytest.raises(DataError, match=rf"rows\.jsonl, row 2: column `{column}"):
        preflight(run, overwrite=False)
    chosen = algorithm(name)
    report = check_dataset(run.data.datasets[0], run.data, chosen.shapes, None, None, step_tokens(run.settings))
    assert report is not None
    assert (report.used, report.invalid_count) == (1, 1)
