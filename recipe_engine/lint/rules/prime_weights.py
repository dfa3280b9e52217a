"""L441 prime-weights (error)

PRIME takes the weighted sum of the rewards for an accuracy from 0 to 1 (arXiv 2502.01456, equation 4). A sum beyond
that ends the run at the first completion that reaches it. Rewards with ``only`` may be for different rows,
so that each of them counts by itself.

Fails:
    training:
      algorithm: prime
    rewards:
      - type: exact_match
      - type: format
        pattern: ".+"
Fails:
    training:
      algorithm: prime
    rewards:
      - type: exact_match
        weight: -1
Passes:
    training:
      algorithm: prime
    rewards:
      - type: exact_match
        weight: 0.9
      - type: format
        pattern: ".+"
        weight: 0.1
"""

from __future__ import annotations

from collections.abc import Iterator

from recipe_engine.lint.rule import Context, Finding

FROM_0_TO_1 = frozenset({"exact_match", "math", "multiple_choice", "ranking_accuracy", "format", "json", "tool_call"})
"""Rewards that give 1 at best and 0 at worst; what the others give, the recipe does not tell."""
_ROUNDING = 1e-9


def check(context: Context) -> Iterator[Finding]:
    if context.recipe.training.algorithm != "prime":
        return
    known = [(index, reward) for index, reward in enumerate(context.recipe.rewards) if reward.type in FROM_0_TO_1]
    for index, reward in known:
        if reward.weight < 0:
            message = f"weight is {reward.weight:g}, and prime needs a sum from 0 to 1"
            yield Finding(("rewards", index, "weight"), message, hint="write a weight from 0 to 1")
            return
    everywhere = sum(reward.weight for _, reward in known if reward.only is None)
    alone = max((reward.weight for _, reward in known if reward.only is not None), default=0)
    if everywhere + alone > 1 + _ROUNDING:
        message = f"the rewards can sum up to {everywhere + alone:g}, and prime needs a sum from 0 to 1"
        place = ("rewards", known[-1][0], "weight")
        yield Finding(place, message, hint="give each reward a weight with which their sum stays within 0 and 1")
