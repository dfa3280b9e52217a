"""Group relative policy optimization on packed rows, with a limit on the prompt, which TRL 1.16 no longer has."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from trl import GRPOTrainer

from recipe_engine.runtime.reward_rows import unpack


class RewardedGRPOTrainer(GRPOTrainer):
    """TRL's trainer on rows that are packed as JSON, with prompts over ``prompt_limit`` tokens cut at ``prompt_cut``.

    Which rows come this far over the limit was decided and counted before (``data.overlong_rows``).
    """

    columns: Sequence[str] = ()
    """Every column that a row of the data has; rewards are given all of them."""
    prompt_limit: int | None = None
    prompt_cut: Literal["left", "right"] = "left"

    def _generate_and_score_completions(self, inputs: Any) -> Any:
        return super()._generate_and_score_completions(unpack(inputs, self.columns))

    def _tokenize_prompts(self, prompts: list[Any]) -> Any:
        prompt_ids, *others = super()._tokenize_prompts(prompts)
        limit = self.prompt_limit
        if limit is not None:
            prompt_ids = [ids[-limit:] if self.prompt_cut == "left" else ids[:limit] for ids in prompt_ids]
        return (prompt_ids, *others)
