"""L348 template-column-not-listed (error)

A template names a column that a dataset's own ``dataset_columns`` leaves out, so no row of that dataset could be
rendered.

Fails:
    data:
      datasets:
        - name: my/dataset
          dataset_columns: [question, answer]
      user_prompt: "{qestion}"
      assistant_prompt: "{answer}"
Passes:
    data:
      datasets:
        - name: my/dataset
          dataset_columns: [question, answer]
      user_prompt: "{question}"
      assistant_prompt: "{answer}"
"""

from __future__ import annotations

from collections.abc import Iterator

from recipe_engine.diagnostics.spelling import nearest
from recipe_engine.lint.facts import enumerated
from recipe_engine.lint.report import dotted
from recipe_engine.lint.rows import TEMPLATES, columns_named, entries
from recipe_engine.lint.rule import Context, Finding


def check(context: Context) -> Iterator[Finding]:
    for key in TEMPLATES:
        for column in columns_named(getattr(context.recipe.data, key)):
            for path, entry in entries(context):
                if entry.dataset_columns is None or column in entry.dataset_columns:
                    continue
                guess = nearest(column, entry.dataset_columns)
                listed = enumerated(entry.dataset_columns) if entry.dataset_columns else "no columns"
                yield Finding(
                    ("data", key),
                    f"{{{column}}} is not among the dataset_columns of {dotted(path)}, which lists {listed}",
                    hint=f"did you mean {{{guess}}}?" if guess else f"add {column} to {dotted(path)}.dataset_columns",
                )
                break  # one dataset shows it
