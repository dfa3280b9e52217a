"""Group relative policy optimization with a limit on the prompt, which TRL 1.16 no longer has."""

from __future__ import annotations

from typing import Any

from trl import GRPOTrainer


class RewardedGRPOTrainer(GRPOTrainer):  # type: ignore[misc]  # TRL has no types
    """TRL's trainer; prompts over ``prompt_limit`` tokens are cut from ``prompt_cut``, ``left`` or ``right``.

    Which rows come this far over the limit was decided and counted before (``data.overlong_rows``).
    """

    prompt_limit: int | None = None
    prompt_cut: str = "left"

    def _tokenize_prompts(self, prompts: list[Any]) -> Any:
        prompt_ids, *others = super()._tokenize_prompts(prompts)
        limit = self.prompt_limit
        if limit is not None:
            prompt_ids = [ids[-limit:] if self.prompt_cut == "left" else ids[:limit] for ids in prompt_ids]
        return (prompt_ids, *others)
