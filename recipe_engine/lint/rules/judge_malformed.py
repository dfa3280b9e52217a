"""L395 judge-malformed (error)

The ``prompt`` of a judge is a template: it must name ``{completion}``, or the judge would see nothing of what it
judges; braces that are meant literally, such as those of JSON, are doubled. ``normalize`` maps ``min`` and ``max`` to 0
and 1, so it needs both.

Fails:
    training:
      algorithm: grpo
    rewards:
      - type: judge
        base_url: http://localhost:8000/v1
        model: judge
        prompt: 'Rate the answer to {prompt} from 1 to 10.'
Fails:
    training:
      algorithm: grpo
    rewards:
      - type: judge
        base_url: http://localhost:8000/v1
        model: judge
        prompt: 'Rate {completion} from 1 to 10, as {"score": 5}.'
Fails:
    training:
      algorithm: grpo
    rewards:
      - type: judge
        base_url: http://localhost:8000/v1
        model: judge
        prompt: 'Rate {completion} from 1 to 10.'
        normalize: true
Passes:
    training:
      algorithm: grpo
    rewards:
      - type: judge
        base_url: http://localhost:8000/v1
        model: judge
        prompt: 'Rate {completion} as an answer to {prompt}. End with "Score: " and a number from 1 to 10.'
        min: 1
        max: 10
        normalize: true
"""

from __future__ import annotations

from collections.abc import Iterator

from recipe_engine.data.templates import placeholders
from recipe_engine.lint.rule import Context, Finding
from recipe_engine.recipe.rewards import JudgeReward


def check(context: Context) -> Iterator[Finding]:
    for index, reward in enumerate(context.recipe.rewards):
        if not isinstance(reward, JudgeReward):
            continue
        path = ("rewards", index, "prompt")
        try:
            if "completion" not in placeholders(reward.prompt):
                message = "the judge's prompt does not name {completion}, so it would judge without seeing it"
                yield Finding(path, message, hint="name {completion} in it, and {prompt} for the question")
        except ValueError as error:
            yield Finding(path, f"the judge's prompt is no template: {error}", hint="double literal braces: {{ and }}")
        if reward.normalize and (reward.min is None or reward.max is None):
            message = "normalize maps min to 0 and max to 1, and they are not both given"
            yield Finding(("rewards", index, "normalize"), message, hint="give min and max, the judge's scale")
