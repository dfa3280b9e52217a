"""L314 no-steps (error)

Training stops after ``max_steps`` steps, or after ``num_train_epochs`` passes over the rows where ``max_steps`` is
-1. A zero leaves nothing to do; TRL does not say so, and saves the untrained model.

Fails:
    training:
      max_steps: 0
Fails:
    training:
      max_steps: -5
Fails:
    training:
      num_train_epochs: 0
Passes:
    training:
      max_steps: -1
      num_train_epochs: 0.5
Passes:
    training:
      max_steps: 10
"""

from __future__ import annotations

from collections.abc import Iterator

from recipe_engine.lint.report import replace_value
from recipe_engine.lint.rule import Context, Finding


def check(context: Context) -> Iterator[Finding]:
    steps: int = context.argument("max_steps")
    epochs: int | float = context.argument("num_train_epochs")
    if steps == 0:
        path = ("training", "max_steps")
        yield Finding(
            path,
            "max_steps is 0: nothing is trained",
            hint="write -1 to train for num_train_epochs, or the number of steps",
            fix=replace_value(context.document, path, "-1"),
        )
    elif steps < -1:
        yield Finding(
            ("training", "max_steps"),
            f"max_steps is {steps}, which is no number of steps",
            hint="write -1 to train for num_train_epochs, or the number of steps",
        )
    elif steps < 0 and epochs <= 0:
        message = f"num_train_epochs is {epochs} and there is no max_steps: nothing is trained"
        yield Finding(("training", "num_train_epochs"), message, hint="write num_train_epochs: 1, or max_steps")
