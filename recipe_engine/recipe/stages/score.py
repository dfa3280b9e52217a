"""The score stage: completions, each with its rewards."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from recipe_engine.recipe.rewards import Rewards
from recipe_engine.recipe.stages.base import Model, Rows, Stage


class ScoreStage(Stage):
    """Scores completions. Each row gets ``reward``, the weighted sum (null where no reward applied), and ``rewards``,
    each score by its name, with its parts as ``name/part``."""

    kind: Literal["score"]
    rows: Rows
    """What is scored: rows with ``prompt`` and ``completion``, or as the columns say."""
    rewards: Annotated[Rewards, Field(min_length=1)]
    """As the rewards of a recipe."""
    prompt_column: str = "prompt"
    """Column of the prompt: text or messages."""
    completion_column: str = "completion"
    """Column of what is scored: text or messages. Where it begins with the prompt's messages, these are left out."""
    tokenizer: Model | None = None
    """What counts tokens, for rewards that ask for them (``length``, ``overlong_penalty``, functions). Default: that of
    the model that the rows name in ``model``."""
    shard_rows: Annotated[int, Field(ge=1)] = 1000
    """Rows of one shard. A stage that was stopped goes on from its last whole shard."""
