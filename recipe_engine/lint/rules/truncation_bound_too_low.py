"""L385 truncation-bound-too-low (error)

Two bounds count from 0, not from 1 as the clip ranges do. Under ``loss_type: cispo`` ``epsilon_high`` is the largest
importance weight itself (arXiv 2506.13585): at 1 or below, every token is weighted down and clip-higher's 0.28 would
scale the whole loss by it. ``delta`` bounds the ratio where the advantage is negative (dual clip, arXiv 1912.09729) and
must lie above ``1 + epsilon_high``.

Fails:
    training:
      algorithm: grpo
      loss_type: cispo
      epsilon_high: 0.28
Fails:
    training:
      algorithm: grpo
      delta: 1.1
Passes:
    training:
      algorithm: grpo
      loss_type: cispo
      epsilon_high: 5.0
Passes:
    training:
      algorithm: grpo
      delta: 3.0
"""

from __future__ import annotations

from collections.abc import Iterator

from recipe_engine.lint.facts import first_given
from recipe_engine.lint.rule import Context, Finding


def check(context: Context) -> Iterator[Finding]:
    if context.algorithm.sampling != "groups":
        return
    low, high = context.argument("epsilon"), context.argument("epsilon_high")
    bound = low if high is None else high
    if context.argument("loss_type") == "cispo":
        if bound <= 1:
            path = first_given(context, ("training", "epsilon_high"), ("training", "loss_type"))
            named = "epsilon_high" if high is not None else "epsilon"
            message = f"loss_type cispo weights tokens with at most {named}, which is {bound:g}: it must be above 1"
            yield Finding(
                path, message, hint="write epsilon_high: 5.0 (verl's clip_ratio_high c is epsilon_high 1 + c)"
            )
        return
    delta = context.argument("delta")
    if delta is not None and delta <= 1 + bound:
        message = f"delta is {delta:g}: it must lie above 1 + epsilon_high, {1 + bound:g}"
        yield Finding(("training", "delta"), message, hint="write delta: 3.0 (dual clip), or remove it")
