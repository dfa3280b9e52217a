"""The score stage: completions, each with its rewards."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, SerializeAsAny

from recipe_engine.recipe.rewards import Reward
from recipe_engine.recipe.stages.base import Rows, Stage


class ScoreStage(Stage):
    """Scores completions. Each row gets ``reward``, the weighted sum, and ``rewards``, each score by its name."""

    kind: Literal["score"]
    rows: Rows
    """What is scored: rows with ``prompt`` and ``completion``, or as the columns say."""
    rewards: Annotated[list[SerializeAsAny[Reward]], Field(min_length=1)]
    """As the rewards of a recipe."""
    prompt_column: str = "prompt"
    """Column of the prompt: text or messages."""
    completion_column: str = "completion"
    """Column of what is scored: text or messages. Where it begins with the prompt's messages, these are left out."""
    shard_rows: Annotated[int, Field(ge=1)] = 1000
    """Rows of one shard. A stage that was stopped goes on from its last whole shard."""
