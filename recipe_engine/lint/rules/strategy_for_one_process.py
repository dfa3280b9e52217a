"""L424 strategy-for-one-process (error)

``single`` is one process. Several would each train a model of their own and write it to one folder.

Fails:
    # with --num-gpus 2
    launch:
      strategy: single
Fails:
    # with --num-gpus 0
    launch:
      strategy: single
      cpu_processes: 2
Passes:
    # with --num-gpus 1
    launch:
      strategy: single
Passes:
    # with --num-gpus 2
    launch:
      strategy: ddp
"""

from __future__ import annotations

from collections.abc import Iterator

from recipe_engine.lint.report import replace_value
from recipe_engine.lint.rule import Context, Finding


def check(context: Context) -> Iterator[Finding]:
    processes = context.processes
    if context.recipe.launch.strategy == "single" and processes is not None and processes > 1:
        path = ("launch", "strategy")
        yield Finding(
            path,
            f"launch.strategy is single, and {processes} processes are to train",
            hint="write launch.strategy: auto, or start one process on one machine",
            fix=replace_value(context.document, path, "auto"),
        )
