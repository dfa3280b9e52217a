"""L334 clip-range-reversed (error)

The importance ratio is clipped to ``[1 - epsilon, 1 + epsilon_high]``. Clip-higher (DAPO, arXiv 2503.14476) widens
the upper side so that unlikely tokens can grow; an upper side narrower than the lower one does the reverse, and
mostly comes from setting one of the two and forgetting the default of the other.

Fails:
    training:
      algorithm: grpo
      epsilon: 0.2
      epsilon_high: 0.02
Fails:
    training:
      algorithm: gspo
      epsilon: 0.2
Passes:
    training:
      algorithm: grpo
      epsilon: 0.2
      epsilon_high: 0.28
"""

from __future__ import annotations

from collections.abc import Iterator

from recipe_engine.lint.facts import first_given
from recipe_engine.lint.rule import Context, Finding

# The losses that clip on both sides; cispo reads epsilon_high alone, sapo and vespo neither.
TWO_SIDED = frozenset({"grpo", "dr_grpo", "dapo", "bnpo", "luspo"})


def check(context: Context) -> Iterator[Finding]:
    if context.algorithm.sampling != "groups" or context.argument("loss_type") not in TWO_SIDED:
        return
    low, high = context.argument("epsilon"), context.argument("epsilon_high")
    if high is None or high >= low:
        return
    high_text = f"epsilon_high is {high:g}" + ("" if context.given("training", "epsilon_high") else " by default")
    low_text = f"epsilon is {low:g}" + ("" if context.given("training", "epsilon") else " by default")
    yield Finding(
        first_given(context, ("training", "epsilon_high"), ("training", "epsilon")),
        f"{high_text} and {low_text}: the upper clip range is the narrower one",
        hint=f"write epsilon_high: {low:g} or more, or an epsilon of at most {high:g}",
    )
