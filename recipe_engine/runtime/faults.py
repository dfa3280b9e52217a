"""What kind of fault ended a run: which may be gone at the next start, and which would end it again."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal

import torch
from torch import distributed

from recipe_engine.data.errors import DataError
from recipe_engine.runtime.errors import RunError

Fault = Literal["mistake", "memory", "passing"]
"""``memory``: an allocator had none left, and at the same sizes would have none again. ``passing``: of the machines or
the network between them. ``mistake``: everything else, so that no bug is ever tried again and again."""

EXIT_CODES: dict[Fault, int] = {"mistake": 1, "memory": 1, "passing": 75}
"""The launcher starts a run again that ended with 75 (``EX_TEMPFAIL`` of sysexits.h), and no other."""

LESS_MEMORY = (
    "halve training.per_device_train_batch_size and double gradient_accumulation_steps: the same step; "
    "or lower data.max_length, or write gradient_checkpointing: true, or model.use_lora: true"
)

# gloo, c10d and DeepSpeed raise a plain RuntimeError for most of it, and only the text tells.
_CONNECTION = re.compile(
    r"gloo/transport/|gloo::|connectFullMesh|ProcessGroup(?:Gloo|NCCL)|"
    r"Connection (?:closed by peer|reset by peer|refused)|"
    r"Timed out waiting \d+ms for (?:recv|send) operation|Application timeout caused pair closure|"
    r"NCCL (?:communicator was aborted|operation|timeout)|nccl(?:Remote|System|Internal)Error"
)
_MISUSE = re.compile(r"mismatch|ncclInvalid|Duplicate GPU", re.IGNORECASE)
_NO_MEMORY = re.compile(r"DefaultCPUAllocator|out of memory|ALLOC_FAILED|Cannot allocate memory", re.IGNORECASE)


def kind_of(error: BaseException) -> Fault:
    """The kind of an error that ended training, by itself and by what it was raised from."""
    kinds = [_kind_of_one(one) for one in _raised_from(error)]
    if "memory" in kinds:
        return "memory"
    said = any(isinstance(one, RunError | DataError) for one in _raised_from(error))
    return "passing" if "passing" in kinds and not said else "mistake"


def _kind_of_one(error: BaseException) -> Fault:
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return "memory"
    if not isinstance(error, RuntimeError):
        return "mistake"
    text = str(error)
    if _NO_MEMORY.search(text):
        return "memory"
    lost = isinstance(error, distributed.DistError) or _CONNECTION.search(text)
    return "passing" if lost and not _MISUSE.search(text) else "mistake"


def _raised_from(error: BaseException) -> Iterator[BaseException]:
    """The error and its causes. What it merely came upon on the way (its context) says nothing of it."""
    seen: BaseException | None = error
    while seen is not None:
        yield seen
        seen = seen.__cause__
