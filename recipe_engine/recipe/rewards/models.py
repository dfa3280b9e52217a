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
    placeholder_token: Annotated[str, Field(min_length=1)] | None = None
    """The one token after a step at which its score is read. Where it is left out, that of the model's training, which
    stands in its ``config.json`` under ``process_reward``."""
    reward_tokens: Annotated[list[Annotated[str, Field(min_length=1)]], Field(min_length=2)] | None = None
    """The tokens whose logits are compared there. The first stands for a good step. Where they are left out, those of
    the model's training."""
    step_separator: Annotated[str, Field(min_length=1)] = "\n\n"
    """What stands between two steps of an answer."""
    template: Annotated[str, Field(min_length=1)] | None = None
    """What the model reads. ``{steps}`` are the steps, each followed by a space and the placeholder, a line each. Where
    it is left out, it is what training on ``stepwise`` rows reads: a text prompt, a new line and the steps; a chat
    prompt answered by the steps, in the model's chat template. On Math-Shepherd it reads ``"{prompt} {steps}"``."""
    aggregation: Literal["min", "mean", "product", "last"] = "min"
    """How the scores of the steps become one."""
    max_length: Annotated[int, Field(ge=2)] = 4096
    """Most tokens of prompt and steps together. Steps beyond it are not scored."""
    batch_size: Annotated[int, Field(ge=1)] = 8
    """Completions that are scored at once."""
    torch_dtype: TorchType = "bfloat16"
    """Type of its weights."""
