"""L343 reward-names-clash (error)

A reward is reported under its ``name``, by default its type. Two of one name would be one curve, in which neither can
be seen.

Fails:
    training:
      algorithm: grpo
    rewards:
      - type: format
        pattern: '<think>.*</think>.*'
      - type: format
        pattern: '.*\\d'
Passes:
    training:
      algorithm: grpo
    rewards:
      - type: format
        name: thinks
        pattern: '<think>.*</think>.*'
      - type: format
        name: ends_with_number
        pattern: '.*\\d'
"""

from __future__ import annotations

from collections.abc import Iterator

from recipe_engine.lint.rule import Context, Finding


def check(context: Context) -> Iterator[Finding]:
    first: dict[str, int] = {}
    names = [reward.name or reward.type for reward in context.recipe.rewards]
    for index, name in enumerate(names):
        if first.setdefault(name, index) == index:
            continue
        path = ("rewards", index, "name")
        place = path if context.given(*path) else ("rewards", index, "type")
        free = next(f"{name}_{n}" for n in range(2, len(names) + 2) if f"{name}_{n}" not in names)
        message = f"rewards[{first[name]}] is reported as {name} too"
        yield Finding(place, message, hint=f"give it a name of its own, such as name: {free}")
