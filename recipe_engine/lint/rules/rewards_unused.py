"""L340 rewards-unused (error)

Only GRPO and GSPO sample completions and score them. The other algorithms would ignore the rewards.

Fails:
    training:
      algorithm: sft
    rewards:
      - type: length
        max: 200
Passes:
    training:
      algorithm: grpo
    rewards:
      - type: length
        max: 200
"""

from __future__ import annotations

from collections.abc import Iterator

from recipe_engine.lint.rule import Context, Finding


def check(context: Context) -> Iterator[Finding]:
    if context.recipe.rewards and not context.algorithm.reward_driven:
        yield Finding(
            ("rewards",),
            f"{context.algorithm.name} does not use rewards",
            hint="remove the block, or write training.algorithm: grpo",
            at_key=True,
        )
