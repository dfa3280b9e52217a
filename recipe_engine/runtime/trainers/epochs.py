"""The order of rows under TRL's sampling trainers, such that a resumed run finds itself in it.

TRL's ``RepeatSampler`` draws the order of each epoch from a generator that has drawn those of the epochs before. A run
that is resumed in its third epoch has drawn none, so that it would go through the rows in the order of the first.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch.utils.data import Sampler


class OrderOfEpoch(Sampler[int]):
    """The indices that TRL's ``sampler`` gives in the epoch that ``trainer`` is in, whatever it gave before."""

    def __init__(self, sampler: Any, trainer: Any) -> None:
        self.sampler = sampler
        self.trainer = trainer

    def __iter__(self) -> Iterator[int]:
        if self.sampler.shuffle:
            self.sampler.generator.manual_seed(self.sampler.seed)
            for _ in range(int(self.trainer.state.epoch or 0)):
                torch.randperm(self.sampler.num_samples, generator=self.sampler.generator)
        yield from self.sampler

    def __len__(self) -> int:
        return len(self.sampler)
