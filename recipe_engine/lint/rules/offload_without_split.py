"""L420 offload-without-split (error)

The optimizer's state can lie in host memory where it is split over processes: ``zero2``, ``zero3`` and ``fsdp2``;
weights where they are: ``zero3`` and ``fsdp2``. Under ``fsdp2`` either of the two keeps weights, gradients and
optimizer there. With ``auto`` the engine takes a strategy that has what is asked for.

Fails:
    launch:
      strategy: ddp
      offload_optimizer: true
Fails:
    launch:
      strategy: zero2
      offload_parameters: true
Passes:
    launch:
      strategy: zero2
      offload_optimizer: true
Passes:
    launch:
      offload_parameters: true
"""

from __future__ import annotations

from collections.abc import Iterator

from recipe_engine.lint.report import replace_value
from recipe_engine.lint.rule import Context, Finding

_ABLE = {"offload_optimizer": ("zero2", "zero3", "fsdp2"), "offload_parameters": ("zero3", "fsdp2")}


def check(context: Context) -> Iterator[Finding]:
    launch = context.recipe.launch
    for name, able in _ABLE.items():
        if getattr(launch, name) and launch.strategy not in ("auto", *able):
            yield Finding(
                ("launch", name),
                f"launch.{name} goes with {', '.join(able[:-1])} and {able[-1]}; launch.strategy is {launch.strategy}",
                hint=f"write launch.strategy: {able[0]}, or leave {name} out",
                fix=replace_value(context.document, ("launch", name), "false"),
            )
