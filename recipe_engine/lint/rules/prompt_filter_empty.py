"""L390 prompt-filter-empty (error)

PRIME keeps prompts whose completions are right in at least ``accuracy_lower_bound`` and at most
``accuracy_upper_bound`` of the cases. A group of ``num_generations`` completions has only so many accuracies (0, 1/4,
2/4, 3/4 and 1 for four), where rewards are 0 or 1: bounds that none of them is within replace every prompt, in vain.

Fails:
    training:
      algorithm: prime
      accuracy_lower_bound: 0.8
      accuracy_upper_bound: 0.2
Fails:
    training:
      algorithm: prime
      num_generations: 2
      accuracy_lower_bound: 0.6
      accuracy_upper_bound: 0.9
Passes:
    training:
      algorithm: prime
      num_generations: 2
      accuracy_lower_bound: 0.4
      accuracy_upper_bound: 0.9
Passes:
    training:
      algorithm: prime
      accuracy_lower_bound: 0
      accuracy_upper_bound: 1
"""

from __future__ import annotations

from collections.abc import Iterator

from recipe_engine.lint.facts import first_given
from recipe_engine.lint.rule import Context, Finding


def check(context: Context) -> Iterator[Finding]:
    if "accuracy_lower_bound" not in context.algorithm.own_settings:
        return
    low, high = context.argument("accuracy_lower_bound"), context.argument("accuracy_upper_bound")
    group = context.argument("num_generations")
    if any(low * group <= right <= high * group for right in range(group + 1)):
        return
    path = first_given(context, ("training", "accuracy_lower_bound"), ("training", "accuracy_upper_bound"))
    if low > high:
        message = f"accuracy_lower_bound {low:g} is above accuracy_upper_bound {high:g}"
    else:
        message = f"no share of {group} completions is from {low:g} to {high:g}"
    yield Finding(path, message, hint="write accuracy_lower_bound: 0.2 and accuracy_upper_bound: 0.8")
