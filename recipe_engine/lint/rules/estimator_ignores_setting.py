"""L383 estimator-ignores-setting (error)

The advantage estimator, the loss, or a switch that is off makes a setting mean nothing, so writing it would be a
mistake that shows nowhere: ``scale_rewards`` belongs to the estimator ``group``, ``gamma`` to those with an advantage
of each token, clip ranges to a loss that clips, the bound of sampling to ``dynamic_sampling``, and ``eval_top_p`` to
an ``eval_temperature`` above 0.

Fails:
    training:
      algorithm: rloo
      scale_rewards: group
Fails:
    training:
      algorithm: grpo
      gamma: 0.99
Fails:
    training:
      algorithm: grpo
      max_sampling_rounds: 4
Fails:
    training:
      algorithm: gpg
      epsilon: 0.1
Fails:
    training:
      algorithm: cispo
      delta: 3.0
Fails:
    data:
      eval_holdout: 0.1
    training:
      algorithm: ppo
      eval_strategy: epoch
      eval_temperature: 0
      eval_top_p: 0.9
Passes:
    training:
      algorithm: reinforce_plus_plus
      gamma: 0.99
Passes:
    training:
      algorithm: dapo
      max_sampling_rounds: 4
"""

from __future__ import annotations

from collections.abc import Iterator

from recipe_engine.lint.facts import in_use
from recipe_engine.lint.rule import Context, Finding

CLIPPING = ("epsilon", "epsilon_high", "delta")
TWO_SIDED = frozenset({"grpo", "dr_grpo", "dapo", "bnpo", "luspo"})


def check(context: Context) -> Iterator[Finding]:
    settings = type(context.recipe.settings).model_fields
    found = [*(_unread(context) if "advantage_estimator" in settings else ())]
    if "eval_temperature" in settings and context.argument("eval_temperature") == 0:
        found.append((("eval_top_p", "eval_top_k"), "eval_temperature 0 takes the most likely token"))
    for names, reason in found:
        for name in in_use(context, "training", names):
            yield Finding(("training", name), f"{name} has no effect: {reason}", hint="remove it", at_key=True)


def _unread(context: Context) -> Iterator[tuple[tuple[str, ...], str]]:
    """Settings that nothing reads, and why."""
    estimator, loss = context.argument("advantage_estimator"), context.argument("loss_type")
    if estimator != "group":
        yield ("scale_rewards", "multi_objective_aggregation"), f"the advantage estimator is {estimator}"
    if estimator not in {"remax", "reinforce_plus_plus"}:
        yield ("gamma",), f"the advantage estimator {estimator} has one advantage for a whole completion"
    if not context.argument("importance_sampling"):
        yield (*CLIPPING, "importance_sampling_level"), "importance_sampling is false, so there is no ratio to clip"
    elif loss == "cispo":
        yield ("epsilon", "delta"), "loss_type cispo truncates weights at epsilon_high alone"
    elif loss not in TWO_SIDED:
        yield CLIPPING, f"loss_type {loss} does not clip"
    if not context.argument("dynamic_sampling"):
        yield ("max_sampling_rounds", "unfilled_rounds"), "dynamic_sampling is false"
