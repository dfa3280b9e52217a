"""L387 kl-controller-unused (error)

The adaptive controller steers the weight of the KL penalty in the reward (Ziegler et al., arXiv 1909.08593). It needs
``kl_in_reward: true`` and a ``beta`` above 0 to start from: it multiplies, so that 0 stays 0. Without it nothing reads
``target_kl`` and ``kl_horizon``.

Fails:
    training:
      algorithm: ppo
      beta: 0.05
      kl_controller: adaptive
Fails:
    training:
      algorithm: ppo
      beta: 0.05
      kl_in_reward: true
      target_kl: 0.02
Passes:
    training:
      algorithm: ppo
      beta: 0.05
      kl_in_reward: true
      kl_controller: adaptive
      target_kl: 0.02
"""

from __future__ import annotations

from collections.abc import Iterator

from recipe_engine.lint.facts import in_use
from recipe_engine.lint.rule import Context, Finding


def check(context: Context) -> Iterator[Finding]:
    if "kl_controller" not in context.algorithm.own_settings:
        return
    adaptive = context.argument("kl_controller") == "adaptive"
    if adaptive and (context.argument("beta") == 0 or not context.argument("kl_in_reward")):
        message = "the adaptive controller steers a KL penalty in the reward, and there is none"
        hint = "write kl_in_reward: true and a beta above 0, or kl_controller: fixed"
        yield Finding(("training", "kl_controller"), message, hint=hint)
    if not adaptive:
        for name in in_use(context, "training", ["target_kl", "kl_horizon"]):
            message = f"{name} has no effect: kl_controller is fixed"
            yield Finding(("training", name), message, hint="write kl_controller: adaptive, or remove it", at_key=True)
