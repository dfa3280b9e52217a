"""Rewards that run programs: refused without ``--allow-reward-code``."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from recipe_engine.recipe.rewards.base import AnswerReward, Column


class FunctionReward(AnswerReward):
    """A Python function of yours. Training runs it: it is refused without ``--allow-reward-code``."""

    type: Literal["function"]
    """Calls a function."""
    path: Annotated[str, Field(min_length=1)]
    """Python file, inside the recipe's folder."""
    name: Annotated[str, Field(min_length=1)]
    """Name of the function in the file, and in the metrics."""
    call: Literal["batch", "sample", "verl"] | None = None
    """How it is called: ``batch``, with lists, ``f(prompts, completions, **columns)``, which returns a number for each;
    ``sample``, once for each completion, ``f(prompt, completion, **columns)``; or as ``verl`` does,
    ``f(data_source, solution_str, ground_truth, extra_info)``. Default: found from the names of its arguments."""
    kwargs: dict[str, Any] = {}
    """Further keyword arguments of every call."""
    part: Literal["answer", "completion"] = "completion"
    """What it is given where the recipe has a ``thinking`` block: the whole completion, or the answer alone."""


class CodeReward(AnswerReward):
    """1 where the program in the answer passes its tests, else 0. Refused without ``--allow-reward-code``."""

    type: Literal["code"]
    """Runs the answer's last ``python`` code block, or the whole answer, with the tests of the row."""
    tests_column: Column = "tests"
    """Column of the tests: Python statements that assert (text, or a list of them), or pairs of standard input and
    output, ``{inputs: [...], outputs: [...]}`` or a list of ``{input, output}``; or any of these as JSON."""
    score: Literal["all", "share"] = "all"
    """1 only where all tests pass, or the share that passes."""
    timeout: Annotated[float, Field(gt=0, le=3600)] = 5.0
    """Seconds of wall-clock time for one test."""
    memory_mb: Annotated[int, Field(ge=32)] = 512
    """Address space of one test, in MiB."""
    concurrency: Annotated[int, Field(ge=1, le=256)] = 4
    """Tests that run at the same time."""
