r"""L341 reward-pattern-invalid (error)

The pattern of a reward is a Python regular expression. Rewards take what they look for from its first group, so it
needs one; only ``format`` does without. In YAML, single quotes keep backslashes as they are.

Fails:
    training:
      algorithm: grpo
    rewards:
      - type: format
        pattern: '<think>(.*</think>'
Fails:
    training:
      algorithm: grpo
    rewards:
      - type: exact_match
        pattern: '\\boxed\{.*\}'
Fails:
    training:
      algorithm: grpo
    rewards:
      - type: exact_match
        answer_pattern: '####.+'
Passes:
    training:
      algorithm: grpo
    rewards:
      - type: format
        pattern: '<think>.*</think>.*'
      - type: exact_match
        pattern: '\\boxed\{(.*?)\}'
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator

from recipe_engine.lint.rule import Context, Finding
from recipe_engine.recipe.rewards import FormatReward
from recipe_engine.source import Path

_KEYS = ("pattern", "answer_pattern")


def check(context: Context) -> Iterator[Finding]:
    for index, reward in enumerate(context.recipe.rewards):
        for key in _KEYS:
            pattern = getattr(reward, key, None)
            if pattern is not None:
                yield from _check(("rewards", index, key), pattern, grouped=not isinstance(reward, FormatReward))


def _check(path: Path, pattern: str, *, grouped: bool) -> Iterator[Finding]:
    compiled = _compiled(pattern)
    if isinstance(compiled, str):
        hint = "characters such as ( ) [ ] { } * + ? . and backslash are meant literally after a backslash"
        yield Finding(path, f"the pattern is not a regular expression: {compiled}", hint=hint)
    elif grouped and not compiled.groups:
        hint = "put parentheses around the answer; if all of the match is the answer, around all of it"
        yield Finding(path, "the pattern has no group to take the answer from", hint=hint)


def _compiled(pattern: str) -> re.Pattern[str] | str:
    """The compiled pattern, or what is wrong with it."""
    try:
        with warnings.catch_warnings(action="ignore"):  # what Python might read otherwise one day, it still reads today
            return re.compile(pattern, re.DOTALL)
    except re.error as error:
        return error.msg if error.pos is None else f"{error.msg}, at character {error.pos + 1}"
    except OverflowError as error:
        return str(error)
    except RecursionError:
        return "it is nested too deeply"
