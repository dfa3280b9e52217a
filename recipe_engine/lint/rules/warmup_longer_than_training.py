"""L313 warmup-longer-than-training (error)

``warmup_steps`` is a number of steps, or, below 1, a share of all steps. TRL cuts 1.5 to one step without a word, and
a warmup as long as the training never reaches the learning rate that the recipe names.

Fails:
    training:
      max_steps: 100
      warmup_steps: 100
Fails:
    training:
      warmup_steps: 1.5
Fails:
    training:
      warmup_steps: -1
Passes:
    training:
      max_steps: 100
      warmup_steps: 10
Passes:
    training:
      max_steps: 100
      warmup_steps: 0.1
"""

from __future__ import annotations

from collections.abc import Iterator

from recipe_engine.lint.rule import Context, Finding


def check(context: Context) -> Iterator[Finding]:
    path = ("training", "warmup_steps")
    warmup: int | float = context.argument("warmup_steps")
    steps: int = context.argument("max_steps")
    if warmup < 0:
        yield Finding(path, f"warmup_steps is {warmup}; it must not be negative", hint="write 0 for no warmup")
    elif warmup == 1 and isinstance(warmup, float):
        message = "warmup_steps is 1.0, which reads like all steps but means one step"
        yield Finding(path, message, hint="write 1 for one step, or a share below 1 such as 0.1")
    elif warmup != int(warmup) and warmup > 1:
        message = f"warmup_steps is {warmup}: above 1 it counts steps, which are whole"
        yield Finding(path, message, hint=f"write {int(warmup)} for steps, or a share below 1 such as 0.1")
    elif 0 < steps <= warmup:
        message = f"the learning rate rises for {int(warmup)} steps, and training ends after {steps}"
        yield Finding(path, message, hint=f"write warmup_steps: {steps // 10}, a tenth of max_steps, or train longer")
