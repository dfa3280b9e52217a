"""Group relative policy optimization on packed rows, with a limit on the prompt, which TRL 1.16 no longer has."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from trl import GRPOTrainer

from recipe_engine.recipe.thinking import ThinkingBlock
from recipe_engine.runtime.answers import answers
from recipe_engine.runtime.reward_rows import unpack
from recipe_engine.runtime.thoughts import Opener, thought_opener


class RewardedGRPOTrainer(GRPOTrainer):
    """TRL's trainer on rows that are packed as JSON, with prompts over ``prompt_limit`` tokens cut at ``prompt_cut``.

    Which rows come this far over the limit was decided and counted before (``data.overlong_rows``).
    """

    columns: Sequence[str] = ()
    """Every column that a row of the data has; rewards are given all of them."""
    prompt_limit: int | None = None
    prompt_cut: Literal["left", "right"] = "left"
    thinking: ThinkingBlock | None = None
    """Where given, prompts end with its opening tag, and the share of malformed completions is logged."""

    def _generate_and_score_completions(self, inputs: Any) -> Any:
        return super()._generate_and_score_completions(unpack(inputs, self.columns))

    def _tokenize_prompts(self, prompts: list[Any]) -> Any:
        prompt_ids, *others = super()._tokenize_prompts(prompts)
        opening = thought_opener(self.thinking, self.processing_class)
        return ([self._opened(list(ids), opening) for ids in prompt_ids], *others)

    def _opened(self, ids: list[int], opening: Opener) -> list[int]:
        """A prompt that ends with the opening tag of the thought, cut so that the tag stays."""
        tag, limit = opening(ids), self.prompt_limit
        if limit is not None and len(ids) + len(tag) > limit:
            if self.prompt_cut == "right":  # which takes a tag of the template's own away
                tag = opening([])
            room = max(limit - len(tag), 1)
            ids = ids[-room:] if self.prompt_cut == "left" else ids[:room]
        return ids + tag

    def _calculate_rewards(self, inputs: Any, prompts: Any, completions: Any, completion_ids_list: Any) -> Any:
        if self.thinking is not None:
            for found in answers(self.thinking, self.processing_class, completion_ids_list):
                self._log_metric("thinking/malformed", float(found.malformed))
        return super()._calculate_rewards(inputs, prompts, completions, completion_ids_list)
