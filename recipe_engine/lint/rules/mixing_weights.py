"""L351 mixing-weights (warning)

Interleaving draws rows from several datasets by their weights. With one dataset there is nothing to draw between, and
``interleave_once`` takes every row once, whatever its dataset's weight: a weight there is an error.

Fails:
    data:
      datasets:
        - name: my/dataset
      mixing: interleave_under
Fails:
    data:
      datasets:
        - name: my/dataset
          weight: 2
        - name: my/other
      mixing: interleave_once
Passes:
    data:
      datasets:
        - name: my/dataset
          weight: 2
        - name: my/other
      mixing: interleave_under
Passes:
    data:
      datasets:
        - name: my/dataset
          weight: 0.5
"""

from __future__ import annotations

from collections.abc import Iterator

from recipe_engine.lint.rule import Context, Finding


def check(context: Context) -> Iterator[Finding]:
    data = context.recipe.data
    if data.mixing == "concatenate":
        return
    alone = len(data.datasets) == 1
    if alone:
        message = f"mixing is {data.mixing}, and there is one dataset"
        yield Finding(("data", "mixing"), message, hint="remove it, or add another dataset")
    for index, entry in enumerate(data.datasets):
        path = ("data", "datasets", index, "weight")
        if entry.weight is None:
            continue
        if data.mixing == "interleave_once":
            hint = "remove it, or write mixing: interleave_under or interleave_over"
            yield Finding(
                path, "interleave_once takes every row once: a weight is not used", hint=hint, severity="error"
            )
        elif alone:
            hint = "remove mixing: then weight says how many times the rows are taken"
            yield Finding(path, f"a weight has no effect on the only dataset under {data.mixing}", hint=hint)
