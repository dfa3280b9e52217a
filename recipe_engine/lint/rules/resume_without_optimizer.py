"""L315 resume-without-optimizer (error)

``save_only_model`` leaves the optimizer, the schedule and the random state out of checkpoints. A run resumed from one
starts them anew, without an error: the momentum is lost and the curve jumps.

Fails:
    training:
      resume: models/run/checkpoint-100
      save_only_model: true
Passes:
    training:
      resume: models/run/checkpoint-100
Passes:
    training:
      save_only_model: true
"""

from __future__ import annotations

from collections.abc import Iterator

from recipe_engine.lint.rule import Context, Finding


def check(context: Context) -> Iterator[Finding]:
    if context.recipe.training.resume not in {"auto", "never"} and context.argument("save_only_model"):
        yield Finding(
            ("training", "resume"),
            "save_only_model leaves out of checkpoints what resuming needs: optimizer, schedule and random state",
            hint="write save_only_model: false, or start from the checkpoint's weights with model.base_model_name",
        )
