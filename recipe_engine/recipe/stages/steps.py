"""The steps of a prepare stage. A new one is a class here, a line in ``STEPS``, and a function in pipeline/prepare/."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from recipe_engine.recipe.base import Block

Column = Annotated[str, Field(min_length=1)]
"""Name of a column. ``extra_info.index`` is a key inside a column that holds a mapping."""


class Step(Block):
    """What every step has."""

    do: str
    """Which step it is."""


class MessagesStep(Step):
    """Rows for sft, as ``messages``, from alpaca, sharegpt, messages, or a prompt and its completion. Roles must take
    turns, and no message may be empty."""

    do: Literal["messages"]
    """Turn rows into chat messages."""
    format: Literal["alpaca", "sharegpt", "messages", "prompt_completion"] | None = None
    """What the rows are. Default: found from their columns."""
    keep_columns: bool = False
    """Keep the other columns beside ``messages``."""


class ThoughtResponseStep(Step):
    """Rows for sft from ``{id, messages, thought, response}``: the assistant's message is the thought, marked as the
    pipeline's ``thinking`` block says, and the response. Rows with a missing field, a tag inside, or the id of an
    earlier row are dropped and counted."""

    do: Literal["thought_response"]
    """Render thoughts into answers."""
    thoughts: bool = True
    """False leaves the thoughts out: the answer alone."""


class PromptsStep(Step):
    """Rows for reinforcement learning: ``prompt`` as messages, from a text (``prompt`` or ``instruction``) or from a
    conversation, whose last assistant turns are left out."""

    do: Literal["prompts"]
    """Turn rows into prompts."""
    column: Column | None = None
    """Column of the text or the conversation. Default: ``prompt``, ``messages``, ``conversation``, ``conversations`` or
    ``instruction``, the first that is there."""
    system: str | None = None
    """System message that is put first, where the conversation has none."""


class PromptCompletionStep(Step):
    """A conversation parted: ``completion`` is its last message, of the assistant, and ``prompt`` what is before it."""

    do: Literal["prompt_completion"]
    """Part conversations."""
    column: Column = "messages"
    """Column of the conversation, which is left out of the row."""


class RankingStep(Step):
    """What GRRM's two kinds of rows share: a source text, translations of it, and their true scores."""

    source_column: Column = "src_text"
    """Column of the source text."""
    source_language_column: Column = "src_lang"
    """Column of its language. Two-letter codes are written out."""
    target_language_column: Column = "trg_lang"
    """Column of the translations' language."""
    candidates_column: Column = "mt_texts"
    """Column of the translations, 2 to 8 of them."""
    scores_column: Column = "scores"
    """Column of their scores, whole numbers from 0 to 10."""
    analysis_column: Column = "analysis"
    """Column of the comparison of the translations."""
    seed: int = 42
    """Seed of the permutations and subgroups that are drawn."""


class RankingSftStep(RankingStep):
    """Rows for sft: the question, and as the answer the analysis, the ranking and the scores."""

    do: Literal["ranking_sft"]
    """Make rows that teach the form of a ranking."""


class RankingRlStep(RankingStep):
    """Rows for reinforcement learning: the question, and the true scores by letter in ``reward_model.ground_truth``."""

    do: Literal["ranking_rl"]
    """Make rows that a ranking is asked of."""
    shuffle_augment: Annotated[int, Field(ge=0)] = 0
    """Beside each group as it is, up to so many other orders of its candidates."""
    subgroup_augment: Annotated[int, Field(ge=0)] = 0
    """Up to so many smaller groups of each, of 2 candidates or more; each has its other orders too."""
    data_source: str = "ranking"
    """What stands in ``data_source``."""
    split: str = "train"
    """What stands in ``extra_info.split``."""


class FromVerlStep(Step):
    """Rows in verl's form, ``{data_source, prompt, ability, reward_model, extra_info}``, made flat."""

    do: Literal["from_verl"]
    """``answer`` becomes what stands in ``reward_model.ground_truth``; ``extra_info.index`` becomes ``index``."""


class ToVerlStep(Step):
    """Rows in verl's form. Written as parquet (``output: parquet``) verl reads them."""

    do: Literal["to_verl"]
    """Make ``data_source``, ``prompt`` as messages, ``ability``, ``reward_model`` and ``extra_info``."""
    data_source: str | None = None
    """Default: the row's own ``data_source``."""
    ability: str = "chat"
    """Default for rows without one."""
    answer_column: Column = "answer"
    """Column of the answer, which becomes ``reward_model.ground_truth``. Rows without it are scored by a model."""
    split: str = "train"
    """What stands in ``extra_info.split``."""


class ColumnsStep(Step):
    """Columns renamed, kept, left out and filled in, in this order."""

    do: Literal["columns"]
    """Change columns."""
    rename: dict[Column, Column] = {}
    """New names by the old ones. A key inside a mapping may be named as ``column.key``."""
    keep: list[Column] | None = None
    """Columns that are kept; the others are left out."""
    leave_out: list[Column] = []
    """Columns that are left out."""
    fill: dict[Column, str] = {}
    """Columns made of others by a template: ``question: "{title} {body}"``."""


class DedupStep(Step):
    """Rows whose content an earlier row has are dropped. Contents are known by a hash of 128 bits."""

    do: Literal["dedup"]
    """Drop repeated rows."""
    columns: list[Column] | None = None
    """What is compared. Default: the prompt, that is the messages before the last assistant's, or ``prompt``, or
    ``text``; where a row has none of them, the whole row."""
    ignore_case_and_space: bool = True
    """Whether texts that differ in upper and lower case and in white space are the same."""


class LeakageStep(Step):
    """Rows whose content stands in other rows too, such as those of an evaluation, are dropped."""

    do: Literal["no_leakage"]
    """Drop rows that an evaluation has."""
    against: Annotated[list[Annotated[str, Field(min_length=1)]], Field(min_length=1)]
    """The other rows: names as in ``data.datasets``, or ``$stage``."""
    split: str = "train"
    """Split of them that is read."""
    columns: list[Column] | None = None
    """As in ``dedup``."""
    ignore_case_and_space: bool = True
    """As in ``dedup``."""


class LengthStep(Step):
    """Rows that are too short or too long are dropped. A conversation is as long as its messages together."""

    do: Literal["length"]
    """Drop rows by their length."""
    column: Column | None = None
    """What is measured. Default: ``messages``, ``prompt`` and ``completion`` or ``text``, what is there of them."""
    unit: Literal["characters", "words", "tokens"] = "characters"
    """What is counted. Tokens need ``tokenizer``."""
    tokenizer: str | None = None
    """Folder or Hub id of a model with a ``tokenizer.json``."""
    at_least: Annotated[int, Field(ge=0)] = 0
    """Least length."""
    at_most: Annotated[int, Field(ge=1)] | None = None
    """Largest length."""


class LanguageStep(Step):
    """Rows in other languages are dropped."""

    do: Literal["language"]
    """Drop rows by their language."""
    keep: Annotated[list[Annotated[str, Field(min_length=1)]], Field(min_length=1)]
    """Languages that are kept, as two-letter codes (``en``) or as the column has them (``English``)."""
    column: Column | None = None
    """Column that names the language. Without it the language is found from the text, which needs the package
    py3langid (the ``prepare`` extra)."""


class SampleStep(Step):
    """A part of the rows."""

    do: Literal["sample"]
    """Take a part of the rows."""
    first: Annotated[int, Field(ge=1)] | None = None
    """So many, from the beginning."""
    share: Annotated[float, Field(gt=0, le=1)] | None = None
    """A random share, by the stage's seed."""


STEPS: dict[str, type[Step]] = {
    "messages": MessagesStep,
    "thought_response": ThoughtResponseStep,
    "prompts": PromptsStep,
    "prompt_completion": PromptCompletionStep,
    "ranking_sft": RankingSftStep,
    "ranking_rl": RankingRlStep,
    "from_verl": FromVerlStep,
    "to_verl": ToVerlStep,
    "columns": ColumnsStep,
    "dedup": DedupStep,
    "no_leakage": LeakageStep,
    "length": LengthStep,
    "language": LanguageStep,
    "sample": SampleStep,
}
