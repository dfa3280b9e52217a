"""A Python function of the user's, from a file inside the recipe's folder."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import sys
import traceback
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
            raise RunError(f"reward {settings.name} raised {_told(error, settings.path)}") from error

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
    module_name = f"recipe_reward_{hashlib.sha256(str(file).encode()).hexdigest()[:16]}"
    specification = importlib.util.spec_from_file_location(module_name, file)
    if specification is None or specification.loader is None:
        raise RunError(f"reward {name}: {file} is not a Python file")
    module = importlib.util.module_from_spec(specification)
    sys.modules[module_name] = module  # dataclasses, pickle and others look a module up by its name
    try:
        specification.loader.exec_module(module)
    except Exception as error:  # importing the user's file may raise anything
        raise RunError(f"reward {name}: importing {path} raised {_told(error, path)}") from error
    function = getattr(module, name, None)
    if not callable(function):
        raise RunError(f"reward {name}: {path} has no function `{name}`")
    found: Callable[..., Any] = function
    return found


def _told(error: Exception, path: str) -> str:
    """An error of the user's code with the line of the file that raised it."""
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if os.path.basename(frame.filename) == os.path.basename(path)]
    place = f" ({path}, line {lines[-1]})" if lines else ""
    return f"{type(error).__name__}: {error}{place}"
