"""A Python function of the user's, from a file inside the recipe's folder."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from recipe_engine.compiled import CompiledRun
from recipe_engine.recipe.rewards import FunctionReward
from recipe_engine.runtime.errors import RunError
from recipe_engine.runtime.rewards.text import Completions


def make(settings: FunctionReward, run: CompiledRun) -> Callable[[Completions, Mapping[str, Sequence[Any]]], Any]:
    """The scorer.

    Raises:
        RunError: the command line did not allow it, or the file or the function is not there.
    """
    if not run.allow_reward_code:
        raise RunError(
            f"reward {settings.name}: {settings.path} is Python code that training would run",
            hint="read it, then start with --allow-reward-code",
        )
    function = load_function(Path(run.recipe_folder), settings.path, settings.name)

    def score(completions: Completions, columns: Mapping[str, Sequence[Any]]) -> Any:
        try:
            return function(completions=completions, **columns, **settings.kwargs)
        except Exception as error:  # the user's code may raise anything; it is named and stops the run
            raise RunError(f"reward {settings.name} raised {type(error).__name__}: {error}") from error

    return score


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
    specification = importlib.util.spec_from_file_location(f"recipe_reward_{file.stem}", file)
    if specification is None or specification.loader is None:
        raise RunError(f"reward {name}: {file} is not a Python file")
    module = importlib.util.module_from_spec(specification)
    try:
        specification.loader.exec_module(module)
    except Exception as error:  # importing the user's file may raise anything
        raise RunError(f"reward {name}: importing {path} raised {type(error).__name__}: {error}") from error
    function = getattr(module, name, None)
    if not callable(function):
        raise RunError(f"reward {name}: {path} has no function `{name}`")
    found: Callable[..., Any] = function
    return found
