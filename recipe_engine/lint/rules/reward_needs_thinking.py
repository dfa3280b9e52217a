"""L396 reward-needs-thinking (error)

A ``format`` reward without a pattern checks the tags of the ``thinking`` block, and ``part``, ``malformed`` and
``malformed_score`` say what becomes of completions by that block. Without one they would mean nothing.

Fails:
    training:
      algorithm: grpo
    rewards:
      - type: format
Fails:
    training:
      algorithm: grpo
    rewards:
      - type: exact_match
        malformed_score: -1.0
Passes:
    training:
      algorithm: grpo
    thinking: {}
    rewards:
      - type: format
      - type: exact_match
        malformed_score: -1.0
"""

from __future__ import annotations

from collections.abc import Iterator

from recipe_engine.lint.rule import Context, Finding
from recipe_engine.recipe.rewards import FormatReward

_KEYS = ("part", "malformed", "malformed_score")


def check(context: Context) -> Iterator[Finding]:
    if context.recipe.thinking is not None:
        return
    for index, reward in enumerate(context.recipe.rewards):
        if isinstance(reward, FormatReward) and reward.pattern is None:
            message = "a format reward without a pattern checks the tags of the thinking block, and there is none"
            yield Finding(("rewards", index), message, hint="add a pattern, or the block: thinking: {}")
        for key in _KEYS:
            if context.given("rewards", index, key):
                message = f"`{key}` says what becomes of thoughts, and the recipe has no thinking block"
                yield Finding(("rewards", index, key), message, hint="remove it, or add the block", at_key=True)
