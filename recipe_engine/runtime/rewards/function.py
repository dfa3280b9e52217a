"""A Python function of the user's, from a file inside the recipe's folder."""

from __future__ import annotations

import asyncio
import hashlib
import importlib.util
import inspect
import os
import sys
import traceback
from collections.abc import Callable, Collection, Mapping
from numbers import Real
from pathlib import Path
from typing import Any

from recipe_engine.data.cells import cell
from recipe_engine.data.errors import RowError
from recipe_engine.recipe.rewards import FunctionReward
from recipe_engine.recipe.rewards.calling import CALLS, Parameters, call_of, parameters_in
from recipe_engine.runtime.errors import RunError
from recipe_engine.runtime.rewards.cells import row_at
from recipe_engine.runtime.rewards.context import RewardContext
from recipe_engine.runtime.rewards.scores import PER_CALL, Columns, Failed, RowCheck, Say, Scored, Scorer
from recipe_engine.runtime.rewards.text import Completions, text_of

_GROUND_TRUTHS = ("ground_truth", "reward_model.ground_truth", "answer")
"""Where verl's ``ground_truth`` is looked for, in this order."""


def make(settings: FunctionReward, run: RewardContext, say: Say) -> Scorer:
    """The scorer.

    Raises:
        RunError: the command line did not allow it, the file or the function is not there, or how to call it is open.
    """
    if not run.allow_reward_code:
        raise RunError(
            f"reward {settings.name}: {settings.path} is Python code that training would run",
            hint="read it, then start with --allow-reward-code",
        )
    function = load_function(Path(run.recipe_folder), settings.path, settings.name)
    parameters = parameters_of(function)
    call = settings.call or call_of(parameters)
    if call is None:
        raise RunError(
            f"reward {settings.name}: the names of its arguments ({', '.join(parameters.names)}) do not say how to "
            "call it",
            hint=f"write call: {', '.join(CALLS)} in the reward, or name its arguments as one of them does",
        )
    say(f"reward {settings.name}: called {CALLS[call]}")
    scorer = {"batch": _in_batches, "sample": _one_by_one, "verl": _as_verl}[call](function, parameters, settings)

    def score(completions: Completions, columns: Columns) -> Any:
        try:
            scores = scorer(completions, columns)
        except (Exception, SystemExit) as error:  # the user's code may raise anything; it is named and stops the run
            raise RunError(f"raised {_told(error, settings.path)}") from error
        if hasattr(scores, "tolist"):
            scores = scores.tolist()
        return [_from_mapping(one) for one in scores] if isinstance(scores, list | tuple) else scores

    return score


def row_check(settings: FunctionReward, run: RewardContext) -> RowCheck:
    """The check that a row holds what verl's functions are given."""
    parameters = parameters_in(Path(run.recipe_folder, settings.path), settings.name)
    call = settings.call or (call_of(parameters) if parameters is not None else None)

    def check(row: Mapping[str, Any]) -> None:
        if call == "verl":
            if row.get("data_source") is None:
                raise RowError("data_source", f"is missing, which {settings.name} is given as verl does")
            if all(cell(row, name) is None for name in _GROUND_TRUTHS):
                raise RowError("ground_truth", f"is missing, and so are {' and '.join(_GROUND_TRUTHS[1:])}")

    return check


def demand_columns(settings: FunctionReward, run: RewardContext, columns: Collection[str]) -> None:
    """Check that some row has each column that the function asks for by name. It is given None for rows without.

    Raises:
        RunError: none has.
    """
    parameters = parameters_in(Path(run.recipe_folder, settings.path), settings.name)
    call = settings.call or (call_of(parameters) if parameters is not None else None)
    if parameters is None or call is None:  # not a plain `def`: only calling it would tell
        return
    for name in parameters.required:
        if name not in {*_GIVEN[call], *PER_CALL, *settings.kwargs, *columns}:
            place = f"{settings.name} in {settings.path}"
            hint = f"the columns are {', '.join(columns)}"
            raise RunError(f"reward {settings.label}: {place} asks for the column `{name}`, which no row has", hint)


_GIVEN = {
    "batch": ("prompts", "completions", "completion_ids"),
    "sample": ("prompt", "completion", "completion_ids"),
    "verl": ("data_source", "solution_str", "ground_truth", "extra_info"),
}
"""Arguments that are no columns."""


def parameters_of(function: Callable[..., Any]) -> Parameters:
    """The arguments that a function takes by name."""
    found = inspect.signature(function).parameters.values()
    named = [one for one in found if one.kind in (one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY)]
    return Parameters(
        tuple(one.name for one in named),
        tuple(one.name for one in named if one.default is one.empty),
        any(one.kind is one.VAR_KEYWORD for one in found),
    )


def _in_batches(function: Callable[..., Any], parameters: Parameters, settings: FunctionReward) -> Scorer:
    def score(completions: Completions, columns: Columns) -> Any:
        given = parameters.accepted({**columns, "completions": completions, **settings.kwargs})
        return _waited_for(function(**given))

    return score


def _one_by_one(function: Callable[..., Any], parameters: Parameters, settings: FunctionReward) -> Scorer:
    def score(completions: Completions, columns: Columns) -> Any:
        shared = {name: columns[name] for name in PER_CALL & columns.keys()}
        rows = [row_at(columns, index, PER_CALL) for index in range(len(completions))]
        calls = [
            parameters.accepted({**shared, **row, "prompt": row["prompts"], "completion": one, **settings.kwargs})
            for one, row in zip(completions, rows, strict=True)
        ]
        return [_waited_for(function(**given)) for given in calls]

    return score


def _as_verl(function: Callable[..., Any], parameters: Parameters, settings: FunctionReward) -> Scorer:
    def score(completions: Completions, columns: Columns) -> Any:
        results = []
        for index, completion in enumerate(completions):
            row = row_at(columns, index, PER_CALL)
            truths = [found for name in _GROUND_TRUTHS if (found := cell(row, name)) is not None]
            given = {
                "data_source": row.get("data_source"),
                "solution_str": text_of(completion),
                "ground_truth": truths[0] if truths else None,
                "extra_info": row.get("extra_info"),
                **settings.kwargs,
            }
            results.append(_waited_for(function(**parameters.accepted(given))))
        return results

    return score


def _waited_for(result: Any) -> Any:
    """The result of a function, which may be a coroutine."""
    return asyncio.run(_result(result)) if inspect.isawaitable(result) else result


async def _result(awaitable: Any) -> Any:
    return await awaitable


def _from_mapping(result: Any) -> Any:
    """A mapping's ``score``, as verl's functions return it; its other numbers are logged."""
    if not isinstance(result, Mapping):
        return result
    if "score" not in result:
        return Failed(f"returned a mapping without `score`: {sorted(map(str, result))}")
    parts = {str(name): float(value) for name, value in result.items() if name != "score" and isinstance(value, Real)}
    return Scored(result["score"], parts)


def load_function(folder: Path, path: str, name: str) -> Callable[..., Any]:
    """The function ``name`` of the file ``path``, which must be inside ``folder`` when links are followed.

    Raises:
        RunError: it is outside, missing, cannot be imported, or holds no such function.
    """
    file = Path(os.path.realpath(folder / path))
    if not file.is_relative_to(os.path.realpath(folder)):
        raise RunError(f"reward {name}: {path} is outside the recipe's folder, {folder}")
    if not file.is_file():
        raise RunError(f"reward {name}: there is no file {file}")
    module_name = f"recipe_reward_{hashlib.sha256(str(file).encode()).hexdigest()[:16]}"
    specification = importlib.util.spec_from_file_location(module_name, file)
    if specification is None or specification.loader is None:
        raise RunError(f"reward {name}: {file} is not a Python file")
    module = importlib.util.module_from_spec(specification)
    sys.modules[module_name] = module  # dataclasses, pickle and others look a module up by its name
    try:
        specification.loader.exec_module(module)
    except (Exception, SystemExit) as error:  # importing the user's file may raise anything
        raise RunError(f"reward {name}: importing {path} raised {_told(error, path)}") from error
    function = getattr(module, name, None)
    if not callable(function):
        raise RunError(f"reward {name}: {path} has no function `{name}`")
    found: Callable[..., Any] = function
    return found


def _told(error: BaseException, path: str) -> str:
    """An error of the user's code with the line of the file that raised it."""
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if os.path.basename(frame.filename) == os.path.basename(path)]
    place = f" ({path}, line {lines[-1]})" if lines else ""
    return f"{type(error).__name__}: {error}{place}"
