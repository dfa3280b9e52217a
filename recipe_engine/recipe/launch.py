"""The ``launch`` block: how processes are started."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from recipe_engine.recipe.base import Block


class LaunchBlock(Block):
    """How many processes train where no GPU is used. With GPUs there is one process a GPU (``--num-gpus``)."""

    cpu_processes: Annotated[int, Field(ge=1, le=64)] = 1
    """Processes of a CPU run (``--num-gpus 0``), as data parallel over gloo."""
