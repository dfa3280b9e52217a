"""L384 kl-penalty-settings (error)

The penalty to the reference model has one weight, ``beta``, and one place: the loss, or with ``kl_in_reward: true`` the
reward. With ``beta: 0`` there is none, and the settings that describe it mean nothing. In the reward it has no
gradient of its own, so ``use_bias_correction_kl`` means nothing there; and ``multi_objective_aggregation:
normalize_then_sum`` makes advantages of each reward by itself, so that the penalty would be lost. In the loss, ``k1``
without ``use_bias_correction_kl`` has an expected gradient of 0, so it penalises nothing: a warning.

Fails:
    training:
      algorithm: grpo
      kl_in_reward: true
Fails:
    training:
      algorithm: grpo
      beta: 0.0
      kl_type: k2
Fails:
    training:
      algorithm: rloo
      use_bias_correction_kl: true
Fails:
    training:
      algorithm: grpo
      beta: 0.01
      kl_in_reward: true
      multi_objective_aggregation: normalize_then_sum
Fails:
    training:
      algorithm: grpo
      beta: 0.01
      kl_type: k1
      use_bias_correction_kl: false
Passes:
    training:
      algorithm: grpo
      beta: 0.01
      kl_type: k2
Passes:
    training:
      algorithm: grpo
      beta: 0.01
      kl_in_reward: true
Passes:
    training:
      algorithm: grpo
      beta: 0.01
      multi_objective_aggregation: normalize_then_sum
"""

from __future__ import annotations

from collections.abc import Iterator

from recipe_engine.algorithms.rollout import RolloutSettings, bias_correction_of, kl_type_of
from recipe_engine.lint.facts import first_given, in_use
from recipe_engine.lint.rule import Context, Finding


def check(context: Context) -> Iterator[Finding]:
    settings = context.recipe.settings
    if not isinstance(settings, RolloutSettings):
        return
    if settings.beta == 0:
        for name in in_use(context, "training", ["kl_in_reward", "kl_type"]):
            message = f"{name} has no effect: beta is 0, so there is no KL penalty"
            yield Finding(("training", name), message, hint="remove it, or write a beta above 0", at_key=True)
    elif settings.kl_in_reward:
        for name in in_use(context, "training", ["use_bias_correction_kl"]):
            message = f"{name} has no effect: the penalty is in the reward"
            hint = "remove it, or write kl_in_reward: false"
            yield Finding(("training", name), message, hint=hint, at_key=True)
        if context.argument("multi_objective_aggregation") == "normalize_then_sum":
            message = "normalize_then_sum normalises each reward by itself, and the penalty in the reward would be lost"
            hint = "write kl_in_reward: false, or remove multi_objective_aggregation"
            yield Finding(("training", "multi_objective_aggregation"), message, hint=hint)
    elif kl_type_of(settings) == "k1" and not bias_correction_of(context.recipe):
        yield Finding(
            first_given(context, ("training", "kl_type"), ("training", "use_bias_correction_kl")),
            "kl_type k1 in the loss without use_bias_correction_kl penalises nothing: its expected gradient is 0",
            hint="write kl_type: k2 or k3",
            severity="warning",
        )
