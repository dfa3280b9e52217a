"""Rewards that look at a completion alone: its form and its length."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from recipe_engine.recipe.rewards.base import AnswerReward, Column, Reward

JsonType = Literal["string", "number", "integer", "boolean", "array", "object", "null", "any"]


class FormatReward(Reward):
    """1 where the completion has the form asked for, else 0."""

    type: Literal["format"]
    """Checks the form."""
    pattern: Annotated[str, Field(min_length=1)] | None = None
    """Regular expression (Python's; ``.`` matches line breaks too). Default: the tags of the ``thinking`` block, each
    once and in order, with an answer after the thought."""
    match: Literal["full", "search"] = "full"
    """Whether the whole completion must match the pattern, or a part of it."""


class LengthReward(Reward):
    """1 where the completion's length is within bounds, falling to 0 outside."""

    type: Literal["length"]
    """Measures length."""
    unit: Literal["tokens", "characters", "words"] = "tokens"
    """What is counted."""
    min: Annotated[int, Field(ge=0)] = 0
    """Shortest length of full score."""
    max: Annotated[int, Field(ge=1)] | None = None
    """Longest length of full score."""
    slope: Annotated[int, Field(ge=0)] = 0
    """Over how many units past a bound the score falls linearly to 0. 0: at once."""


class OverlongReward(Reward):
    """DAPO's soft overlong punishment (arXiv 2503.14476, equation 13): 0 while there is room, then below 0."""

    type: Literal["overlong_penalty"]
    """``min(-(length - (max_resp_len - buffer)) / buffer * factor, 0)``, length in tokens."""
    max_resp_len: Annotated[int, Field(ge=1)] | None = None
    """Length at which the penalty is ``factor``. Default: ``training.max_completion_length``."""
    buffer: Annotated[int, Field(ge=1)] | None = None
    """Tokens before ``max_resp_len`` over which the penalty grows. Default: a fifth of ``max_resp_len``, as in the
    paper's 4096 of 20480."""
    factor: Annotated[float, Field(gt=0)] = 1.0
    """Penalty at ``max_resp_len``."""
    clamp: bool = False
    """Keep the penalty at ``-factor`` beyond ``max_resp_len``, as the paper and TRL do. Default: it goes on growing, as
    in verl."""


class JsonReward(AnswerReward):
    """1 where the answer is JSON of the form asked for, else 0."""

    type: Literal["json"]
    """Parses JSON: the whole answer, or its last ``json`` code block."""
    required: dict[str, JsonType] = {}
    """Keys that the object must have, each with the type of its value."""
    json_schema: dict[str, Any] | None = None
    """JSON Schema (draft 2020-12) that the value must satisfy. References to other documents are not followed."""
    fenced: bool = True
    """Whether a code block counts. False: the whole answer must be JSON."""


class ToolCallReward(AnswerReward):
    """1 where the answer calls a tool in valid form, else 0; with a reference, where it makes the right calls."""

    type: Literal["tool_call"]
    """Reads tool calls: ``{"name": ..., "arguments": {...}}`` between tags, or those of the chat message."""
    open: Annotated[str, Field(min_length=1)] = "<tool_call>"
    """Tag before a call."""
    close: Annotated[str, Field(min_length=1)] = "</tool_call>"
    """Tag after a call."""
    tools_column: Column | None = None
    """Column of the tools that may be called: names, or JSON schemas as chat templates take them. Default: any name."""
    answer_column: Column | None = None
    """Column of the right calls: one ``{"name", "arguments"}``, or a list; order does not matter. Default: every valid
    call counts."""
