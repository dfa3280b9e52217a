"""L338 checkpoints-of-the-model-alone (note)

``save_only_model`` makes checkpoints small: the optimizer, the schedule, the random state and the place in the data are
left out. A run that is stopped or killed cannot go on from one; it has to begin anew.

Fails:
    training:
      save_only_model: true
Passes:
    training:
      save_only_model: true
      save_strategy: no
Passes:
    training:
      save_only_model: false
"""

from __future__ import annotations

from collections.abc import Iterator

from recipe_engine.lint.rule import Context, Finding


def check(context: Context) -> Iterator[Finding]:
    resumes = context.recipe.training.resume not in {"auto", "never"}  # of that case L315 says more
    if context.argument("save_only_model") and context.argument("save_strategy") != "no" and not resumes:
        yield Finding(
            ("training", "save_only_model"),
            "checkpoints hold the model alone: a run that is stopped cannot go on from them",
            hint="write save_only_model: false to be able to resume",
        )
