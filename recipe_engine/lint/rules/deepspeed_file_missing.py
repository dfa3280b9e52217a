"""L428 deepspeed-file-missing (error)

``training.deepspeed_config`` names a file by its path, which counts from the folder in which the command is started,
not from the recipe's. The file says how the run is spread, so that without it nothing can be planned.

Fails:
    training:
      deepspeed_config: zero3.jsn
Passes:
    # beside: zero2.json {"zero_optimization": {"stage": 2}}
    training:
      deepspeed_config: zero2.json
"""

from __future__ import annotations

import os
from collections.abc import Iterator

from recipe_engine.lint.rule import Context, Finding
from recipe_engine.parallel.deepspeed_file import absence_of


def check(context: Context) -> Iterator[Finding]:
    file = context.recipe.training.deepspeed_config
    absent = None if file is None else absence_of(file)
    if file is None or absent is None:
        return
    hint = "its path counts from the current folder"
    if os.path.isfile(beside := os.path.join(context.folder, file)):
        hint += f", and the file lies beside the recipe: write {os.path.relpath(beside)}"
    yield Finding(("training", "deepspeed_config"), absent, hint=hint)
