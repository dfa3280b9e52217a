"""L375 kto-batch-of-one (error)

KTO estimates how far the policy is from the reference with the completions of the other rows of a micro-batch. With a
single row there is no other: the estimate is the row's own reward, and nothing is learned. TRL stops at that.
``loss_type: apo_zero_unpaired`` makes no estimate.

Fails:
    training:
      algorithm: kto
      per_device_train_batch_size: 1
      gradient_accumulation_steps: 8
Passes:
    training:
      algorithm: kto
      per_device_train_batch_size: 2
      gradient_accumulation_steps: 4
Passes:
    training:
      algorithm: kto
      loss_type: apo_zero_unpaired
      per_device_train_batch_size: 1
"""

from __future__ import annotations

from collections.abc import Iterator

from recipe_engine.lint.rule import Context, Finding


def check(context: Context) -> Iterator[Finding]:
    if "unpaired" not in context.algorithm.shapes or context.argument("loss_type") != "kto":
        return
    if context.argument("per_device_train_batch_size") > 1:
        return
    accumulation = context.argument("gradient_accumulation_steps")
    halved = f", and gradient_accumulation_steps: {accumulation // 2}" if accumulation > 1 else ""
    yield Finding(
        ("training", "per_device_train_batch_size"),
        "kto takes the completions of a micro-batch's other rows, and there is one row",
        hint=f"write per_device_train_batch_size: 2{halved}",
    )
