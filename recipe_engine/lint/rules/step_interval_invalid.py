"""L360 step-interval-invalid (error)

``logging_steps``, ``eval_steps`` and ``save_steps`` count steps, or, below 1, are a share of all steps. transformers
raises for 1.5; a zero or a negative number it takes, and then saves only at the end, evaluates as often as it logs,
or does either at odd times.

Fails:
    training:
      logging_steps: 0
Fails:
    training:
      save_steps: 2.5
Fails:
    data:
      eval_holdout: 0.1
    training:
      eval_strategy: steps
      eval_steps: -1
Passes:
    training:
      logging_steps: 5
      save_steps: 0.25
Passes:
    training:
      save_strategy: no
      save_steps: 0
"""

from __future__ import annotations

from collections.abc import Iterator

from recipe_engine.lint.rule import Context, Finding


def check(context: Context) -> Iterator[Finding]:
    for kind in ("logging", "eval", "save"):
        steps: int | float | None = context.argument(f"{kind}_steps")
        if context.argument(f"{kind}_strategy") != "steps" or steps is None:
            continue
        path = ("training", f"{kind}_steps")
        if steps <= 0:
            hint = f"write a number of steps, a share below 1, or {kind}_strategy: no"
            yield Finding(path, f"{kind}_steps is {steps}; it must be above 0", hint=hint)
        elif steps > 1 and steps != int(steps):
            message = f"{kind}_steps is {steps}: above 1 it counts steps, which are whole"
            yield Finding(path, message, hint=f"write {int(steps)} or {int(steps) + 1}, or a share below 1")
