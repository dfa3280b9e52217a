"""L398 reward-weights-zero (error)

A reward of weight 0 is logged and does not count, which is a way to watch a number. Where all of them have weight 0,
nothing counts, and there is nothing to learn.

Fails:
    training:
      algorithm: grpo
    rewards:
      - type: exact_match
        weight: 0
Passes:
    training:
      algorithm: grpo
    rewards:
      - type: exact_match
      - type: length
        max: 200
        weight: 0
"""

from __future__ import annotations

from collections.abc import Iterator

from recipe_engine.lint.rule import Context, Finding


def check(context: Context) -> Iterator[Finding]:
    rewards = context.recipe.rewards
    if rewards and all(reward.weight == 0 for reward in rewards):
        message = "every reward has weight 0, so nothing counts"
        yield Finding(("rewards", 0, "weight"), message, hint="give the rewards that should count a weight, such as 1")
