"""The steps of a prepare stage. A new one is a function in the file of its kind here, and a line in ``MAKERS``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from recipe_engine.pipeline.prepare import columns, conversations, filters, ranking, repeats, verl
from recipe_engine.pipeline.prepare.step import Apply, StepContext

MAKERS: dict[str, Callable[[Any, StepContext], Apply]] = {
    "messages": conversations.messages,
    "thought_response": conversations.thought_response,
    "prompts": conversations.prompts,
    "prompt_completion": conversations.prompt_completion,
    "ranking_sft": ranking.ranking_sft,
    "ranking_rl": ranking.ranking_rl,
    "from_verl": verl.from_verl,
    "to_verl": verl.to_verl,
    "columns": columns.change_columns,
    "dedup": repeats.dedup,
    "no_leakage": repeats.no_leakage,
    "length": filters.length,
    "language": filters.language,
    "sample": filters.sample,
}
