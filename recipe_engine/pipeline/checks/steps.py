"""The columns that each step of a prepare stage needs, and those that it makes."""

from __future__ import annotations

from recipe_engine.data.errors import DataError
from recipe_engine.data.formats import find_format
from recipe_engine.recipe.data import DatasetEntry
from recipe_engine.recipe.stages.steps import (
    ColumnsStep,
    DedupStep,
    FromVerlStep,
    LanguageStep,
    LeakageStep,
    LengthStep,
    MessagesStep,
    PromptCompletionStep,
    PromptsStep,
    RankingRlStep,
    RankingSftStep,
    RankingStep,
    Step,
    ThoughtResponseStep,
    ToVerlStep,
)

Columns = tuple[str, ...]

_VERL = ("data_source", "prompt", "ability", "reward_model", "extra_info")
_PROMPTS = ("prompt", "messages", "conversation", "conversations", "instruction")
_OF_A_RANKING = (
    "source_column",
    "source_language_column",
    "target_language_column",
    "candidates_column",
    "scores_column",
)


class Missing(Exception):  # what it is, not that it is an error
    """A step needs a column that the rows do not have. ``setting`` is the key of the step that names it."""

    def __init__(self, column: str, setting: str | None = None) -> None:
        super().__init__(column)
        self.column = column
        self.setting = setting


def after_step(step: Step, columns: Columns) -> Columns | None:
    """The columns of rows after a step; none where they hang on the rows.

    Raises:
        Missing: the step needs a column that is not there.
    """
    if isinstance(step, MessagesStep):
        _demand_conversation(step, columns)
        return tuple(dict.fromkeys([*(columns if step.keep_columns else ()), "messages"]))
    if isinstance(step, ThoughtResponseStep):
        _demand(columns, "messages", "response", *(("thought",) if step.thoughts else ()))
        return (*(name for name in ("id", "source") if name in columns), "messages")
    if isinstance(step, PromptsStep):
        column = step.column or next((name for name in _PROMPTS if name in columns), None)
        if column is None or column not in columns:
            raise Missing(column or "prompt", "column" if step.column else None)
        return (*(name for name in columns if name != column), "prompt")
    if isinstance(step, PromptCompletionStep):
        _demand_named(columns, step.column, "column")
        kept = [name for name in columns if name != step.column]
        return tuple(dict.fromkeys([*kept, "prompt", "completion"]))
    if isinstance(step, RankingStep):
        for setting in (*_OF_A_RANKING, *(("analysis_column",) if isinstance(step, RankingSftStep) else ())):
            _demand_named(columns, getattr(step, setting), setting)
        return _VERL if isinstance(step, RankingRlStep) else ("messages",)
    if isinstance(step, FromVerlStep):
        _demand(columns, "prompt")
        return None  # what extra_info holds becomes columns
    if isinstance(step, ToVerlStep):
        _demand(columns, "prompt", *(("data_source",) if step.data_source is None else ()))
        return _VERL
    if isinstance(step, ColumnsStep):
        return _changed(step, columns)
    if isinstance(step, DedupStep | LeakageStep):
        for name in step.columns or ():
            _demand_named(columns, name, "columns")
    elif isinstance(step, LengthStep | LanguageStep) and step.column is not None:
        _demand_named(columns, step.column, "column")
    return columns


def _changed(step: ColumnsStep, columns: Columns) -> Columns:
    made = list(columns)
    for old, new in step.rename.items():
        _demand_named(tuple(made), old, "rename")
        made = [name for name in made if name not in {old, new}] + [new]
    if step.keep is not None:
        made = [name for name in step.keep if name in made]
    made = [name for name in made if name not in step.leave_out]
    return tuple(dict.fromkeys([*made, *step.fill]))


def _demand_conversation(step: MessagesStep, columns: Columns) -> None:
    try:
        find_format(DatasetEntry(name="rows", format=step.format), columns, ("messages", "prompt_completion"))
    except DataError as error:
        raise Missing("messages", "format" if step.format else None) from error


def _demand(columns: Columns, *names: str) -> None:
    for name in names:
        if name not in columns:
            raise Missing(name)


def _demand_named(columns: Columns, name: str, setting: str) -> None:
    if name not in columns and name.partition(".")[0] not in columns:
        raise Missing(name, setting)
