"""The ``data`` block: which rows to train on, what they mean, how long they may be and how they are mixed."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from recipe_engine.recipe.base import Block

RowFormat = Literal[
    "text",
    "messages",
    "prompt_completion",
    "alpaca",
    "sharegpt",
    "thought_response",
    "preference",
    "prompt",
    "stepwise",
    "step_labels",
]
Mixing = Literal["concatenate", "interleave_under", "interleave_over", "interleave_once"]
RowShape = Literal[
    "text",
    "messages",
    "prompt_completion",
    "preference",
    "preference_margin",
    "unpaired",
    "prompt",
    "stepwise",
]
"""What a row is once its columns are read. Prompts and responses are strings, or lists of chat messages."""
OverlongRows = Literal["drop", "error", "left", "right"]


def _share_or_count(value: float) -> float:
    if value >= 1 and value != int(value):
        raise ValueError("from 1 on it is a number of rows, which must be whole; a share is below 1")
    return value


class DatasetEntry(Block):
    """One dataset of the mixture: where it is, which of its columns mean what, and how much of it to take."""

    name: Annotated[str, Field(min_length=1)]
    """Hub id (``Anthropic/hh-rlhf``), local file (json, jsonl, csv, parquet, arrow, txt) or folder, ``s3://`` address,
    or ``builtin/...``. A relative path counts from the folder the command is started in."""
    subset: str | None = None
    """Configuration of a Hub dataset."""
    split: str = "train"
    """Split to read. A plain local file has one split, ``train``."""
    revision: str | None = None
    """Branch, tag or commit of a Hub dataset."""
    format: RowFormat | None = None
    """What a row is. Default: found from the columns; ``recipe inspect`` shows what was found."""
    text_column: str | None = None
    """Column of plain text (default ``text``)."""
    messages_column: str | None = None
    """Column of chat messages (default ``messages``; for sharegpt ``conversations``)."""
    prompt_column: str | None = None
    """Column of the prompt (default ``prompt``; for alpaca ``instruction``; for step_labels ``input``)."""
    completion_column: str | None = None
    """Column of the completion (default ``completion``; for alpaca ``output``, for thought_response ``response``; for
    stepwise, a list: ``completions``)."""
    chosen_column: str | None = None
    """Column of the preferred response (default ``chosen``)."""
    rejected_column: str | None = None
    """Column of the rejected response (default ``rejected``)."""
    thought_column: str | None = None
    """Column of the thought before the response (default ``thought``), which the ``thinking`` block renders. Chat
    messages may hold their thoughts themselves: ``reasoning_content``, ``reasoning``, ``thinking`` or ``thought``."""
    chosen_thought_column: str | None = None
    """Column of the thought before the preferred response (default ``chosen_thought``)."""
    rejected_thought_column: str | None = None
    """Column of the thought before the rejected response (default ``rejected_thought``)."""
    thoughts: Literal["required", "optional"] = "required"
    """With a ``thinking`` block: whether a row whose response has no thought is invalid, or is trained as it stands."""
    margin_column: str | None = None
    """Column of a number by which the chosen response should be better, for reward_model (default ``margin``, where
    there is one)."""
    label_column: str | None = None
    """Column of labels: of the answer for kto (default ``label``), of its steps for process_reward (default ``label``;
    for stepwise ``labels``)."""
    label_threshold: float | None = None
    """Score from which on an answer is good, for kto on a column of scores. Without it, labels are booleans, 0 or 1."""
    answer_column: str | None = None
    """Column of the reference answer that rewards compare with (default ``answer``)."""
    dataset_columns: list[str] | None = None
    """Columns that the prompt templates may name and that rewards read. Default: all."""
    weight: Annotated[float, Field(gt=0)] | None = None
    """Share of this dataset. Interleaving: its sampling weight. Concatenation: how many times its rows are taken
    (0.5: a random half; 2: twice). Default 1."""
    max_samples: Annotated[int, Field(ge=1)] | None = None
    """At most this many rows: the first ones, or a random choice with ``data.shuffle``."""
    s3_region: str | None = None
    """AWS region of an ``s3://`` dataset; default: the environment's."""
    s3_endpoint_url: str | None = None
    """Address of an S3-compatible service; default: AWS."""


class DataBlock(Block):
    """Datasets, prompt templates, length limits and mixing."""

    datasets: Annotated[list[DatasetEntry], Field(min_length=1)]
    """The training rows: one dataset or several."""
    eval_datasets: list[DatasetEntry] = []
    """Held-out rows, measured as ``training.eval_strategy`` says."""
    eval_holdout: Annotated[float, Field(gt=0), AfterValidator(_share_or_count)] | None = None
    """Take held-out rows from the training rows: below 1 a share, else a number of rows. Seeded."""

    mixing: Mixing = "concatenate"
    """How several datasets become one. ``interleave_under`` stops when the first runs out, ``interleave_over`` repeats
    the short ones until the longest ran out, ``interleave_once`` takes every row once."""
    shuffle: bool = False
    """Shuffle the rows once before training, by ``training.seed``. The trainer's sampler shuffles each epoch anyway."""

    system_prompt: str | None = None
    """Template over the row's columns, ``{column}``. With ``user_prompt``, or with rows that hold a prompt: the system
    message. Alone, with plain SFT rows: the whole text of a row, every token trained. Braces that are meant literally
    are doubled."""
    user_prompt: str | None = None
    """Template of the user's message."""
    assistant_prompt: str | None = None
    """Template of the assistant's message, which is what is trained. Needs ``user_prompt``."""
    wrap_in_chat: bool = False
    """Make a user and an assistant message of plain-string prompts and completions, so that the chat template applies.
    Otherwise strings are used as they stand."""

    max_length: Annotated[int, Field(ge=2)] = 512
    """Most tokens of a rendered row, prompt and completion together."""
    max_prompt_length: Annotated[int, Field(ge=1)] | None = None
    """Most tokens of a rendered prompt. GRPO and GSPO may generate ``max_length - max_prompt_length`` tokens; their
    default is half of ``max_length``. Elsewhere the default is no limit of its own."""
    overlong_rows: OverlongRows | None = None
    """What happens to rows over a limit: ``drop`` and count them (the default), stop with an ``error``, or cut tokens
    from the ``left`` or the ``right``. cpt splits long texts instead unless this is set."""
    invalid_rows: Literal["error", "drop"] = "error"
    """What happens to rows that cannot be rendered (an empty prompt, a missing column): stop and name them, or drop
    and count them."""
    max_invalid_share: Annotated[float, Field(gt=0, le=1)] = 0.1
    """With ``invalid_rows: drop``: the most rows of a dataset that may be left out so, as a share of all. Beyond it the
    run stops before the model is loaded, for then the columns or the format are likely not what the recipe says."""

    dataset_num_proc: Annotated[int, Field(ge=1)] | None = None
    """Processes that prepare rows. Default 1."""
    remove_unused_columns: bool | None = None
    """Passed to the trainer. Rewards read the columns of a row, so GRPO and GSPO keep them by default."""
