"""L358 format-not-trainable (error)

The rows of a dataset, read as its ``format`` says, are not what the algorithm trains on.

Fails:
    data:
      datasets:
        - name: my/pairs
          format: preference
    training:
      algorithm: sft
Passes:
    data:
      datasets:
        - name: my/pairs
          format: preference
    training:
      algorithm: dpo
"""

from __future__ import annotations

from collections.abc import Iterator

from recipe_engine.data.formats import formats_for
from recipe_engine.lint.facts import enumerated
from recipe_engine.lint.rows import entries, made_by_templates
from recipe_engine.lint.rule import Context, Finding


def check(context: Context) -> Iterator[Finding]:
    if made_by_templates(context):
        return
    trainable = sorted(formats_for(context.algorithm.shapes))
    for path, entry in entries(context):
        if entry.format is not None and entry.format not in trainable:
            yield Finding(
                (*path, "format"),
                f"{context.algorithm.name} cannot be trained on rows of format {entry.format}",
                hint=f"it takes {enumerated(list(trainable), 'or')}",
            )
