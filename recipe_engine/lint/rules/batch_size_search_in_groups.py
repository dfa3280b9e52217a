"""L362 batch-size-search-in-groups (error)

``auto_find_batch_size`` halves the batch when memory runs out. A smaller batch need not hold whole groups of
completions any more, so TRL refuses it for GRPO and GSPO.

Fails:
    training:
      algorithm: grpo
      auto_find_batch_size: true
Passes:
    training:
      algorithm: sft
      auto_find_batch_size: true
"""

from __future__ import annotations

from collections.abc import Iterator

from recipe_engine.lint.rule import Context, Finding


def check(context: Context) -> Iterator[Finding]:
    if context.algorithm.sampling == "groups" and context.argument("auto_find_batch_size"):
        yield Finding(
            ("training", "auto_find_batch_size"),
            f"{context.algorithm.name} cannot search for a batch size: a batch must hold whole groups of completions",
            hint="remove it, and write a smaller per_device_train_batch_size",
        )
