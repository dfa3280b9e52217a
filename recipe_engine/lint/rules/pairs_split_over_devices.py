"""L393 pairs-split-over-devices (error)

Online DPO compares completions of one prompt with each other, so all ``num_generations`` of them must be on one device:
``per_device_train_batch_size``, which counts completions, is a multiple of it, and so is the evaluation's. Training
stops otherwise.

Fails:
    training:
      algorithm: online_dpo
      num_generations: 4
      per_device_train_batch_size: 2
      gradient_accumulation_steps: 2
Passes:
    training:
      algorithm: online_dpo
      num_generations: 4
      per_device_train_batch_size: 8
"""

from __future__ import annotations

from collections.abc import Iterator

from recipe_engine.lint.facts import first_given
from recipe_engine.lint.rollout import nearest_multiple
from recipe_engine.lint.rule import Context, Finding


def check(context: Context) -> Iterator[Finding]:
    if context.algorithm.name != "online_dpo":
        return
    group = context.argument("num_generations")
    evaluates = context.argument("eval_strategy") != "no"
    for name in ("per_device_train_batch_size", *(["per_device_eval_batch_size"] if evaluates else [])):
        size = context.argument(name)
        if size < 1 or size % group == 0:
            continue
        yield Finding(
            first_given(context, ("training", name), ("training", "num_generations"), ("training", "algorithm")),
            f"{name} is {size}, which groups of num_generations {group} do not divide",
            hint=f"write {name}: {nearest_multiple(group, size)}",
        )
