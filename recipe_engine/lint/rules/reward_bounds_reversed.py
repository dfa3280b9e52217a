"""L342 reward-bounds-reversed (error)

The ``length`` reward is 1 between ``min`` and ``max``. With the bounds reversed no completion reaches 1, and without
bounds every completion does: either way there is nothing to learn from it.

Fails:
    training:
      algorithm: grpo
    rewards:
      - type: length
        min: 400
        max: 200
Fails:
    training:
      algorithm: grpo
    rewards:
      - type: length
Passes:
    training:
      algorithm: grpo
    rewards:
      - type: length
        min: 20
        max: 400
"""

from __future__ import annotations

from collections.abc import Iterator

from recipe_engine.lint.rule import Context, Finding
from recipe_engine.recipe.rewards import LengthReward


def check(context: Context) -> Iterator[Finding]:
    for index, reward in enumerate(context.recipe.rewards):
        if not isinstance(reward, LengthReward):
            continue
        if reward.max is None and reward.min == 0:
            message = "a length reward without bounds is 1 for every completion"
            yield Finding(("rewards", index), message, hint="add a min, a max, or both")
        elif reward.max is not None and reward.min > reward.max:
            message = f"min is {reward.min} and max {reward.max}: no length is within them"
            yield Finding(("rewards", index, "min"), message, hint=f"write min: {reward.max} and max: {reward.min}")
