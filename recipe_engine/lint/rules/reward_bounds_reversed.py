"""L342 reward-bounds-reversed (error)

The ``length`` reward is 1 between ``min`` and ``max``. With the bounds reversed no completion reaches 1, and without
bounds every completion does: either way there is nothing to learn from it. Likewise no score lies between reversed
bounds of ``judge`` and ``ranking_accuracy``.

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
Fails:
    training:
      algorithm: grpo
    rewards:
      - type: judge
        base_url: http://localhost:8000/v1
        model: judge
        prompt: 'Rate from 1 to 10: {completion}'
        min: 10
        max: 1
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
from recipe_engine.recipe.rewards import JudgeReward, LengthReward, RankingReward, Reward


def check(context: Context) -> Iterator[Finding]:
    for index, reward in enumerate(context.recipe.rewards):
        for low, high in (("min", "max"), ("min_score", "max_score")):
            if isinstance(reward, JudgeReward | RankingReward) and (values := _values(reward, low, high)):
                message = f"{low} is {values[0]} and {high} {values[1]}: no score is between them"
                yield Finding(("rewards", index, low), message, hint=f"write a {high} above {low}")
        if not isinstance(reward, LengthReward):
            continue
        if reward.max is None and reward.min == 0:
            message = "a length reward without bounds is 1 for every completion"
            yield Finding(("rewards", index), message, hint="add a min, a max, or both")
        elif reward.max is not None and reward.min > reward.max:
            message = f"min is {reward.min} and max {reward.max}: no length is within them"
            yield Finding(("rewards", index, "min"), message, hint=f"write min: {reward.max} and max: {reward.min}")


def _values(reward: Reward, low: str, high: str) -> tuple[float, float] | None:
    """Two bounds, where both are there and reversed or equal."""
    least, most = getattr(reward, low, None), getattr(reward, high, None)
    return None if least is None or most is None or least < most else (least, most)
