"""L322 dataloader-settings-without-workers (error)

Prefetching and persistent workers are about worker processes. With ``dataloader_num_workers: 0``, the default, there
are none, and transformers or PyTorch raises.

Fails:
    training:
      dataloader_prefetch_factor: 4
Fails:
    training:
      dataloader_num_workers: 0
      dataloader_persistent_workers: true
Passes:
    training:
      dataloader_num_workers: 2
      dataloader_prefetch_factor: 4
      dataloader_persistent_workers: true
"""

from __future__ import annotations

from collections.abc import Iterator

from recipe_engine.lint.facts import in_use
from recipe_engine.lint.rule import Context, Finding


def check(context: Context) -> Iterator[Finding]:
    if context.argument("dataloader_num_workers") != 0:
        return
    for key in in_use(context, "training", ("dataloader_prefetch_factor", "dataloader_persistent_workers")):
        yield Finding(
            ("training", key),
            f"{key} needs worker processes, and dataloader_num_workers is 0",
            hint=f"write dataloader_num_workers: 2, or remove {key}",
        )
