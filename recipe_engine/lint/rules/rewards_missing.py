"""L339 rewards-missing (error)

GRPO and GSPO learn from rewards alone. Where the recipe lists none but a dataset names an ``answer_column``,
completions are compared with it (``exact_match``), and a note says so.

Fails:
    training:
      algorithm: grpo
    rewards: []
Passes:
    training:
      algorithm: grpo
    rewards:
      - type: length
        max: 200
"""

from __future__ import annotations

from collections.abc import Iterator

from recipe_engine.algorithms.grpo import rewards_of
from recipe_engine.lint.rule import Context, Finding


def check(context: Context) -> Iterator[Finding]:
    recipe = context.recipe
    if not context.algorithm.reward_driven or recipe.rewards:
        return
    if not rewards_of(recipe):
        yield Finding(
            ("training", "algorithm"),
            f"{context.algorithm.name} learns from rewards, and the recipe has none",
            hint="add rewards: [{type: exact_match}] and name the answer_column of each dataset, or another reward",
        )
        return
    index = next(i for i, entry in enumerate(recipe.data.datasets) if entry.answer_column)
    yield Finding(
        ("data", "datasets", index, "answer_column"),
        "the recipe lists no rewards, so a completion scores 1 where it is exactly this answer, else 0",
        hint="say so: rewards: [{type: exact_match}]; a pattern finds an answer inside a longer completion",
        severity="note",
    )
