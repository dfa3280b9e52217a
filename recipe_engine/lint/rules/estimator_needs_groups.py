"""L382 estimator-needs-groups (error)

Most advantages compare the completions of one prompt with each other, so there must be two of them or more; of one
completion nothing would be learnt, without an error. ``remax`` compares with a greedy completion and
``reinforce_plus_plus`` with the whole batch: these two may sample one. Dynamic sampling needs groups too.

``remax`` takes no dynamic sampling: a group that is drawn in place of another has another prompt, while the greedy
completions are those of the prompts that the round began with.

Fails:
    training:
      algorithm: grpo
      num_generations: 1
Fails:
    training:
      algorithm: reinforce_plus_plus
      num_generations: 1
      dynamic_sampling: true
Fails:
    training:
      algorithm: remax
      num_generations: 4
      dynamic_sampling: true
Fails:
    training:
      algorithm: dapo
      advantage_estimator: remax
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
    if "advantage_estimator" not in settings:
        return
    estimator = context.argument("advantage_estimator")
    if estimator == "remax" and context.argument("dynamic_sampling"):
        yield Finding(
            first_given(context, ("training", "dynamic_sampling"), ("training", "advantage_estimator")),
            "remax compares with the greedy completion of the first prompt drawn, and dynamic_sampling draws another",
            hint="write dynamic_sampling: false, or another advantage_estimator",
        )
        return
    if context.argument("num_generations") > 1:
        return
    path = first_given(context, ("training", "num_generations"), ("training", "algorithm"))
    if estimator not in WITHOUT_GROUPS:
        message = f"num_generations is 1: the advantage estimator {estimator} compares completions of one prompt"
        yield Finding(path, message, hint="write num_generations: 2 or more, or algorithm: remax")
    elif context.argument("dynamic_sampling"):
        message = "num_generations is 1: no group has spread, so dynamic_sampling would draw without end"
        hint = "write num_generations: 2 or more, or remove dynamic_sampling"
        yield Finding(("training", "dynamic_sampling"), message, hint=hint)
