"""Dynamic sampling (DAPO, arXiv 2503.14476): other prompts in place of those whose groups teach nothing.

Where the further prompts come from: rounds of training prompts that the round at hand does not have, in an order that
follows from the seed and the step alone. So all processes agree, a resumed run draws the same ones, and the epoch goes
on as if nothing had been drawn. A prompt may therefore be sampled more often than an epoch counts.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch
from accelerate.utils import gather_object
from torch import Tensor

from recipe_engine.runtime.reward_rows import COLUMN

Batch = dict[str, Any]
Packed = list[dict[str, str]]

LEFT_PADDED = ("prompt_ids", "prompt_mask")


def further_rounds(trainer: Any, rows: Packed) -> Iterator[Packed]:
    """This process's share of round after round of prompts that are not among ``rows``, each prompt in its group."""
    dataset, args = trainer.train_dataset, trainer.args
    taken = set(gather_object(list(dict.fromkeys(row[COLUMN] for row in rows))))
    in_step = trainer._step % args.gradient_accumulation_steps
    digest = hashlib.sha256(f"{args.seed} {trainer.state.global_step} {in_step}".encode()).digest()
    generator = torch.Generator().manual_seed(int.from_bytes(digest[:7], "big"))
    order = torch.randperm(len(dataset), generator=generator).tolist()
    group, prompts = trainer.num_generations, args.generation_batch_size // trainer.num_generations
    first = trainer.accelerator.process_index * len(rows)
    chosen: list[dict[str, str]] = []
    for index in order:
        row = dataset[index]
        if row[COLUMN] in taken:
            continue
        chosen.append(row)
        if len(chosen) == prompts:
            whole = [row for row in chosen for _ in range(group)]
            yield whole[first : first + len(rows)]
            chosen = []


def replace_groups(trainer: Any, batch: Batch, other: Batch, groups: list[tuple[int, int]]) -> None:
    """Put groups of another round into places of this one: ``groups`` pairs a place with the group that comes there.

    Places count over all processes, and a group may come from another process than it goes to.
    """
    size, here = trainer.num_generations, trainer.accelerator.process_index
    count = len(batch["completion_ids"])
    rows = [(place * size + k, source * size + k) for place, source in groups for k in range(size)]
    local = [(row - here * count, source) for row, source in rows if row // count == here]
    targets = torch.tensor([row for row, _ in local], dtype=torch.long)
    sources = torch.tensor([source for _, source in local], dtype=torch.long)
    for name, value in batch.items():
        if not isinstance(value, Tensor) or value.ndim == 0:
            continue
        left, fill = name in LEFT_PADDED, trainer._tokenizer.pad_token_id if name.endswith("_ids") else 0
        found = other[name]
        if found.ndim > 1:
            found = trainer.accelerator.pad_across_processes(found, dim=1, pad_index=fill, pad_first=left)
        found = trainer.accelerator.gather(found)[sources.to(found.device)]
        if value.ndim > 1:
            width = max(value.shape[1], found.shape[1])
            value, found = _widened(value, width, fill, left), _widened(found, width, fill, left)
        value[targets.to(value.device)] = found
        batch[name] = value


def _widened(values: Tensor, width: int, fill: int, left: bool) -> Tensor:
    missing = width - values.shape[1]
    return torch.nn.functional.pad(values, (missing, 0) if left else (0, missing), value=fill)


def refill(
    trainer: Any, batch: Batch, rows: Packed, sample: Callable[[Packed], Batch], worth: Callable[[], Tensor], most: int
) -> tuple[int, list[int]]:
    """Sample further rounds and put their groups worth training into the places of those that are not.

    ``worth`` tells which groups of the round that was sampled last are; at most ``most`` rounds are sampled, the one at
    hand, ``batch`` of ``rows``, included. Returns how many groups still are not, and how many of each round were not.
    """
    kept = worth()
    missing, useless = (~kept).nonzero().flatten().tolist(), [int((~kept).sum())]
    further = further_rounds(trainer, rows)
    while missing and len(useless) < most and (drawn := next(further, None)):
        missing, of_this_round = _fill(trainer, batch, missing, partial(sample, drawn), worth)
        useless.append(of_this_round)
    batch["num_items_in_batch"] = trainer.total(batch["completion_mask"].sum())
    return len(missing), useless


def _fill(
    trainer: Any, batch: Batch, missing: list[int], other: Callable[[], Batch], worth: Callable[[], Tensor]
) -> tuple[list[int], int]:
    """Sample another round (``other``) and put its groups ``worth`` training into the places that miss one.

    Returns the places that still miss one, and how many groups of that round were not worth training.
    """
    rewards, table = trainer.rewards, _completions_table(trainer)
    drawn = other()
    kept = worth()
    pairs = list(zip(missing, kept.nonzero().flatten().tolist(), strict=False))
    replace_groups(trainer, batch, drawn, pairs)
    size, sampled = trainer.num_generations, _completions_table(trainer)
    for place, source in pairs:
        for k in range(size):
            rewards[place * size + k] = trainer.rewards[source * size + k]
            for column, values in zip(table, sampled, strict=True):
                column[place * size + k] = values[source * size + k]
    trainer.rewards = rewards
    _put_completions_table(trainer, table)
    return missing[len(pairs) :], int((~kept).sum())


def _completions_table(trainer: Any) -> list[list[Any]]:
    """The columns that the trainer keeps of the last round for its log: prompts, completions, rewards."""
    return [list(column) for column in _columns(trainer)]


def _put_completions_table(trainer: Any, table: list[list[Any]]) -> None:
    """Replace these columns."""
    for column, values in zip(_columns(trainer), table, strict=True):
        column.clear()
        column.extend(values)


def _columns(trainer: Any) -> list[Any]:
    logs = trainer._logs
    return [logs["prompt"], logs["completion"], *logs["rewards"].values(), *logs["extra"].values()]
