"""L319 two-holdouts (error)

Held-out rows come from datasets of their own or from the training rows. One evaluation over both would be a number
that means neither.

Fails:
    data:
      eval_datasets: [{name: builtin/completions}]
      eval_holdout: 0.1
    training:
      eval_strategy: epoch
Passes:
    data:
      eval_datasets: [{name: builtin/completions}]
    training:
      eval_strategy: epoch
"""

from __future__ import annotations

from collections.abc import Iterator

from recipe_engine.lint.rule import Context, Finding


def check(context: Context) -> Iterator[Finding]:
    data = context.recipe.data
    if data.eval_datasets and data.eval_holdout is not None:
        yield Finding(
            ("data", "eval_holdout"),
            "eval_holdout and eval_datasets both name the rows to evaluate on",
            hint="remove eval_holdout to measure on eval_datasets, which also leaves every training row in",
        )
