"""L388 critic-warmup-too-long (error)

In the first ``critic_warmup_steps`` optimizer steps the critic alone is trained. With as many as there are steps the
policy is saved as it came.

Fails:
    training:
      algorithm: ppo
      max_steps: 100
      critic_warmup_steps: 100
Passes:
    training:
      algorithm: ppo
      max_steps: 100
      critic_warmup_steps: 10
"""

from __future__ import annotations

from collections.abc import Iterator

from recipe_engine.lint.rule import Context, Finding


def check(context: Context) -> Iterator[Finding]:
    if "critic_warmup_steps" not in context.algorithm.own_settings:
        return
    steps, warmup = context.argument("max_steps"), context.argument("critic_warmup_steps")
    if 0 < steps <= warmup:
        yield Finding(
            ("training", "critic_warmup_steps"),
            f"critic_warmup_steps {warmup} leaves the policy none of the {steps} steps of max_steps",
            hint=f"write critic_warmup_steps: {steps // 10}, or a larger max_steps",
        )
