"""L422 optimizer-not-for-strategy (error)

The optimizers of bitsandbytes (``adamw_8bit``, ``paged_adamw_8bit``, ...) work on whole tensors. What ``fsdp2`` trains
are pieces of a distributed type that their kernels do not take: ``adamw_torch_8bit`` of torchao does. DeepSpeed gives
its optimizer flat pieces, which they can step on, but in host memory it takes none but its own, so that they do not go
with ``offload_optimizer``; without it the pair is untested here, a warning.

Fails:
    training:
      optim: adamw_8bit
    launch:
      strategy: fsdp2
Fails:
    training:
      optim: paged_adamw_8bit
    launch:
      strategy: zero2
      offload_optimizer: true
Fails:
    training:
      optim: adamw_8bit
    launch:
      strategy: zero2
Passes:
    training:
      optim: adamw_8bit
    launch:
      strategy: ddp
Passes:
    training:
      optim: adamw_torch_8bit
    launch:
      strategy: fsdp2
"""

from __future__ import annotations

from collections.abc import Iterator

from recipe_engine.lint.rule import Context, Finding
from recipe_engine.lint.strategy import asked_strategy
from recipe_engine.parallel.optimizers import is_bitsandbytes


def check(context: Context) -> Iterator[Finding]:
    asked, optim = asked_strategy(context), context.argument("optim")
    if asked is None or not isinstance(optim, str) or not is_bitsandbytes(optim):
        return
    path = ("training", "optim")
    if asked.strategy == "fsdp2":
        hint = "write optim: adamw_torch_8bit (needs the package torchao), or leave optim out"
        yield Finding(path, f"{optim} does not take the split weights of fsdp2", hint=hint)
    elif asked.strategy.startswith("zero"):
        if asked.offloads_optimizer:
            hint = "leave optim out: DeepSpeed's own AdamW then steps in host memory"
            yield Finding(path, f"{optim} does not step in host memory: DeepSpeed takes none but its own", hint=hint)
        else:
            hint = f"leave optim out: {asked.strategy} splits the optimizer's state over the processes"
            yield Finding(path, f"{asked.name} is untested with {optim}", hint=hint, severity="warning")
