"""L382 estimator-needs-groups (error)

Most advantages compare the completions of one prompt with each other, so there must be two of them or more; of one
completion nothing would be learnt, without an error. ``remax`` compares with a greedy completion and
``reinforce_plus_plus`` with the whole batch: these two may sample one. Dynamic sampling needs groups too.

Fails:
    training:
      algorithm: grpo
      num_generations: 1
Fails:
    training:
      algorithm: reinforce_plus_plus
      num_generations: 1
      dynamic_sampling: true
Passes:
    training:
      algorithm: remax
      num_generations: 1
"""

from __future__ import annotations

from collections.abc import Iterator

from recipe_engine.lint.facts import first_given
from recipe_engine.lint.rule import Context, Finding

WITHOUT_GROUPS = frozenset({"remax", "reinforce_plus_plus"})


def check(context: Context) -> Iterator[Finding]:
    settings = type(context.recipe.settings).model_fields
    if "advantage_estimator" not in settings or context.argument("num_generations") > 1:
        return
    estimator = context.argument("advantage_estimator")
    path = first_given(context, ("training", "num_generations"), ("training", "algorithm"))
    if estimator not in WITHOUT_GROUPS:
        message = f"num_generations is 1: the advantage estimator {estimator} compares completions of one prompt"
        yield Finding(path, message, hint="write num_generations: 2 or more, or algorithm: remax")
    elif context.argument("dynamic_sampling"):
        message = "num_generations is 1: no group has spread, so dynamic_sampling would draw without end"
        hint = "write num_generations: 2 or more, or remove dynamic_sampling"
        yield Finding(("training", "dynamic_sampling"), message, hint=hint)
