"""Rewards of models that the run loads itself."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from recipe_engine.recipe.rewards.base import AnswerReward

TorchType = Literal["bfloat16", "float16", "float32"]


class RewardModelReward(AnswerReward):
    """The score of a reward model: a sequence classifier with one output."""

    type: Literal["reward_model"]
    """Scores with a reward model, on the prompt and the answer as its own chat template renders them."""
    model: Annotated[str, Field(min_length=1)]
    """Hub id, local folder or ``builtin/...``."""
    revision: str | None = None
    """Branch, tag or commit of a Hub model."""
    max_length: Annotated[int, Field(ge=2)] = 4096
    """Most tokens of prompt and answer together; what is over is cut on the right."""
    batch_size: Annotated[int, Field(ge=1)] = 8
    """Completions that are scored at once."""
    torch_dtype: TorchType = "bfloat16"
    """Type of its weights."""
    malformed: Literal["null_text", "score", "drop"] = "null_text"
    """What a completion is worth in which a strict ``thinking`` block finds no answer: the score of the text
    ``[NULL]``, ``malformed_score``, or none at all from this reward."""


class PrmReward(AnswerReward):
    """The score of a process reward model over the steps of the answer, 0 to 1."""

    type: Literal["prm_score"]
    """Scores steps with a model that ``algorithm: process_reward`` has trained."""
    model: Annotated[str, Field(min_length=1)]
    """Hub id, local folder or ``builtin/...``."""
    revision: str | None = None
    """Branch, tag or commit of a Hub model."""
    placeholder_token: Annotated[str, Field(min_length=1)]
    """The one token after a step at which its score is read."""
    reward_tokens: Annotated[list[str], Field(min_length=2)]
    """The tokens whose logits are compared there. The first stands for a good step."""
    step_separator: Annotated[str, Field(min_length=1)] = "\n\n"
    """What stands between two steps of an answer."""
    template: Annotated[str, Field(min_length=1)] = "{prompt} {steps}"
    """What the model reads. ``{steps}`` are the steps, each followed by a space and the placeholder, a line each."""
    aggregation: Literal["min", "mean", "product", "last"] = "min"
    """How the scores of the steps become one."""
    max_length: Annotated[int, Field(ge=2)] = 4096
    """Most tokens of prompt and steps together. Steps beyond it are not scored."""
    batch_size: Annotated[int, Field(ge=1)] = 8
    """Completions that are scored at once."""
    torch_dtype: TorchType = "bfloat16"
    """Type of its weights."""
