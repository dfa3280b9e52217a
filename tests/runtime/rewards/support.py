"""Rewards made of a recipe's entries, called as TRL calls them, with what they logged."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

from transformers import PreTrainedTokenizerBase

from recipe_engine.compile import Options
from recipe_engine.compiled import CompiledRun
from recipe_engine.runtime.rewards import reward_functions, row_checks
from tests.runtime.support import compiled

ALLOWED = Options(allow_reward_code=True)


class Rewards:
    """The rewards of a recipe, and the numbers that they logged."""

    def __init__(
        self,
        folder: Path,
        *rewards: dict[str, Any],
        options: Options = ALLOWED,
        tokenizer: PreTrainedTokenizerBase | None = None,
        **blocks: Any,
    ) -> None:
        self.run: CompiledRun = compiled(
            folder, "grpo", {"name": "rows.jsonl"}, rewards=list(rewards), options=options, **blocks
        )
        self.said: list[str] = []
        self.functions = reward_functions(self.run, tokenizer, self.said.append)
        self.logged: dict[str, list[float]] = defaultdict(list)

    def scores(self, completions: list[Any], *, prompts: list[Any] | None = None, **columns: Any) -> list[float | None]:
        """The scores of the first reward."""
        self.logged.clear()
        return self.functions[0](
            prompts=prompts or [""] * len(completions),
            completions=completions,
            trainer_state=None,
            log_metric=lambda name, value: self.logged[name].append(value),
            log_extra=lambda name, values: None,
            **columns,
        )

    def mean(self, name: str) -> float:
        """The mean of what was logged under a name."""
        values = self.logged[name]
        return sum(values) / len(values)

    def check(self, row: dict[str, Any]) -> None:
        """All checks of a row."""
        for check in row_checks(self.run):
            check(row)


def children() -> set[int]:
    """The processes that this one has started, by whichever thread."""
    return {int(one) for file in Path("/proc/self/task").glob("*/children") for one in file.read_text().split()}


def scores(folder: Path, reward: dict[str, Any], completions: list[Any], **columns: Any) -> list[float | None]:
    """The scores of one reward."""
    return Rewards(folder, reward).scores(completions, **columns)
