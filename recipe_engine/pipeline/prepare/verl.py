"""verl's form of rows for reinforcement learning, in and out."""

from __future__ import annotations

import json
from collections.abc import Mapping

from recipe_engine.data.cells import Row, as_messages, cell, prompt_of
from recipe_engine.data.errors import RowError
from recipe_engine.pipeline.prepare.step import Apply, StepContext
from recipe_engine.recipe.stages.steps import FromVerlStep, ToVerlStep

_NESTED = ("reward_model", "extra_info")


def from_verl(settings: FromVerlStep, context: StepContext) -> Apply:
    """Flat rows: ``answer`` from ``reward_model.ground_truth``, and what ``extra_info`` holds as columns."""

    def apply(row: Row, number: int) -> list[Row]:
        made = {name: value for name, value in row.items() if name not in _NESTED}
        made["prompt"] = as_messages(prompt_of(row.get("prompt"), "prompt"), "user")
        extra = row.get("extra_info") or {}
        if not isinstance(extra, Mapping):
            raise RowError("extra_info", f"is {type(extra).__name__}, not an object")
        for name, value in extra.items():
            if value is not None:
                made.setdefault(name, value)
        truth = cell(row, "reward_model.ground_truth")
        return [made if truth is None else {**made, "answer": truth}]

    return apply


def to_verl(settings: ToVerlStep, context: StepContext) -> Apply:
    """Rows with verl's five columns. A row without an answer is one that a reward model scores (``style: model``)."""

    def apply(row: Row, number: int) -> list[Row]:
        source = settings.data_source or row.get("data_source")
        if not isinstance(source, str) or not source:
            raise RowError("data_source", "is missing; the step's data_source would stand for it")
        return [
            verl_row(
                as_messages(prompt_of(row.get("prompt"), "prompt"), "user"),
                source,
                row.get("ability") or settings.ability,
                cell(row, settings.answer_column),
                {"index": number, "split": settings.split},
            )
        ]

    return apply


def verl_row(prompt: list[Row], source: str, ability: str, truth: object, extra: Row) -> Row:
    """A row in verl's form. What is true is text, as JSON where it is none: parquet has one type a column."""
    text = truth if isinstance(truth, str) or truth is None else json.dumps(truth, ensure_ascii=False)
    return {
        "data_source": source,
        "prompt": [{"role": turn["role"], "content": turn["content"]} for turn in prompt],
        "ability": ability,
        "reward_model": {"style": "model" if text is None else "rule", "ground_truth": text},
        "extra_info": extra,
    }
