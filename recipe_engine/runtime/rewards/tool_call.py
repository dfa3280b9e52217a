"""1 where the answer calls a tool in valid form, or, with a reference, makes the right calls; else 0."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from recipe_engine.data.cells import cell
from recipe_engine.data.errors import RowError
from recipe_engine.recipe.rewards import ToolCallReward
from recipe_engine.runtime.rewards.cells import column
from recipe_engine.runtime.rewards.context import RewardContext
from recipe_engine.runtime.rewards.json_form import strict_json
from recipe_engine.runtime.rewards.scores import Columns, RowCheck, Say, Scored, Scorer
from recipe_engine.runtime.rewards.text import Completions, text_of

Call = tuple[str, dict[str, Any]]


def make(settings: ToolCallReward, run: RewardContext, say: Say) -> Scorer:
    """The scorer."""

    def cells(columns: Columns, name: str | None, count: int) -> Sequence[Any]:
        return [None] * count if name is None else column(columns, name, count)

    def score(completions: Completions, columns: Columns) -> list[Scored]:
        tools = cells(columns, settings.tools_column, len(completions))
        rights = cells(columns, settings.answer_column, len(completions))
        rows = zip(completions, tools, rights, strict=True)
        return [_scored(calls_in(completion, settings), names_of(known), right) for completion, known, right in rows]

    return score


def row_check(settings: ToolCallReward, run: RewardContext) -> RowCheck:
    """The check that a row holds the tools and the right calls, where the settings name their columns."""

    def check(row: Mapping[str, Any]) -> None:
        if settings.tools_column is not None and not names_of(cell(row, settings.tools_column)):
            raise RowError(settings.tools_column, "holds no tools: names, or JSON schemas as chat templates take them")
        if settings.answer_column is not None and right_calls(cell(row, settings.answer_column)) is None:
            raise RowError(settings.answer_column, 'holds no right calls: {"name": ..., "arguments": {...}}, or a list')

    return check


def calls_in(completion: str | list[dict[str, Any]], settings: ToolCallReward) -> list[Call] | None:
    """The calls of a completion, in order; none where one is malformed."""
    found: list[Call | None] = []
    for message in completion if isinstance(completion, list) else ():
        found += [call_of(call.get("function", call)) for call in message.get("tool_calls") or ()]
    rest = text_of(completion)
    while settings.open in rest:
        inside, closed, rest = rest.partition(settings.open)[2].partition(settings.close)
        if not closed:
            return None
        try:
            found.append(call_of(strict_json(inside)))
        except (ValueError, RecursionError):
            return None
    calls = [call for call in found if call is not None]
    return calls if len(calls) == len(found) else None


def call_of(value: Any) -> Call | None:
    """A call of JSON: a name, and arguments as a mapping or as its JSON text."""
    if not isinstance(value, Mapping) or not isinstance(value.get("name"), str) or not value["name"]:
        return None
    arguments = value.get("arguments", {})
    if isinstance(arguments, str):
        try:
            arguments = strict_json(arguments)
        except ValueError:
            return None
    return (value["name"], dict(arguments)) if isinstance(arguments, Mapping) else None


def right_calls(value: Any) -> list[Call] | None:
    """The calls of a reference: one or a list, or either as JSON. None where it holds none."""
    try:
        given = json.loads(value) if isinstance(value, str) else value
    except ValueError:
        return None
    calls = [call_of(one) for one in (given if isinstance(given, list) else [given])]
    known = [call for call in calls if call is not None]
    return known if known and len(known) == len(calls) else None


def names_of(tools: Any) -> set[str]:
    """The names of tools: texts, or JSON schemas with the name at the top or under ``function``."""
    if isinstance(tools, str):
        try:
            tools = json.loads(tools)
        except ValueError:
            return set()
    names = set()
    for tool in tools if isinstance(tools, list) else ():
        if isinstance(tool, Mapping):
            function = tool.get("function")
            tool = (function if isinstance(function, Mapping) else tool).get("name")
        if isinstance(tool, str):
            names.add(tool)
    return names


def _scored(calls: list[Call] | None, names: set[str], right: Any) -> Scored:
    valid = bool(calls) and all(not names or name in names for name, _ in calls or ())
    if right is None:
        return Scored(float(valid), {"valid": float(valid)})
    wanted = right_calls(right) or []
    canonical = [sorted(json.dumps(call, sort_keys=True) for call in some) for some in (calls or [], wanted)]
    return Scored(float(valid and canonical[0] == canonical[1]), {"valid": float(valid)})
