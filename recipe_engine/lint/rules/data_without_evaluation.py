"""L317 data-without-evaluation (warning)

``eval_strategy`` is ``no`` unless a recipe says otherwise, so rows for evaluation alone are prepared but never
measured on. Those of ``eval_holdout`` are taken from the training rows for nothing.

Fails:
    data:
      eval_holdout: 0.1
Fails:
    data:
      eval_datasets: [{name: builtin/completions}]
    training:
      eval_strategy: no
Passes:
    data:
      eval_holdout: 0.1
    training:
      eval_strategy: epoch
"""

from __future__ import annotations

from collections.abc import Iterator

from recipe_engine.lint.facts import first_given, has_evaluation_rows
from recipe_engine.lint.rule import Context, Finding


def check(context: Context) -> Iterator[Finding]:
    measured = context.argument("eval_strategy") != "no" or context.argument("eval_on_start")
    if has_evaluation_rows(context) and not measured:
        path = first_given(context, ("data", "eval_datasets"), ("data", "eval_holdout"))
        yield Finding(
            path,
            f"{path[-1]} sets rows aside, but eval_strategy is no: they are never measured on",
            hint="add eval_strategy: epoch to the training block, or eval_strategy: steps with eval_steps: 100",
            at_key=True,
        )
