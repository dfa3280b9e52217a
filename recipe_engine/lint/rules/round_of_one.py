"""L389 round-of-one (warning)

PPO subtracts the mean of the advantages of a round's tokens and divides by their deviation. A round of a single
completion is compared with itself: nothing tells whether it was better than others.

Fails:
    # with --num-gpus 1
    training:
      algorithm: ppo
      per_device_train_batch_size: 1
Passes:
    # with --num-gpus 1
    training:
      algorithm: ppo
      per_device_train_batch_size: 1
      gradient_accumulation_steps: 64
Passes:
    # with --num-gpus 8
    training:
      algorithm: ppo
      per_device_train_batch_size: 1
"""

from __future__ import annotations

from collections.abc import Iterator

from recipe_engine.lint.facts import first_given
from recipe_engine.lint.rollout import micro_batches
from recipe_engine.lint.rule import Context, Finding


def check(context: Context) -> Iterator[Finding]:
    if context.algorithm.name != "ppo" or context.processes is None:
        return
    batch, in_round = context.argument("per_device_train_batch_size"), micro_batches(context)
    if in_round is not None and batch * in_round * context.processes == 1:
        path = first_given(
            context,
            ("training", "per_device_train_batch_size"),
            ("training", "steps_per_generation"),
            ("training", "algorithm"),
        )
        message = "a round of sampling has one completion: its advantages are whitened among its own tokens"
        yield Finding(path, message, hint="raise per_device_train_batch_size or gradient_accumulation_steps")
