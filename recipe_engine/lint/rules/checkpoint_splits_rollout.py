"""L338 checkpoint-splits-rollout (warning)

A round of sampling lasts ``steps_per_generation`` x ``num_iterations`` micro-batches. Completions that are not
trained on yet are not part of a checkpoint, so training that resumes in the middle of a round samples anew and goes
another way than training that was never stopped. Save where a round ends.

Fails:
    training:
      algorithm: grpo
      gradient_accumulation_steps: 1
      steps_per_generation: 4
      save_steps: 50
Passes:
    training:
      algorithm: grpo
      gradient_accumulation_steps: 1
      steps_per_generation: 4
      save_steps: 52
Passes:
    training:
      algorithm: grpo
      gradient_accumulation_steps: 1
      steps_per_generation: 4
      save_steps: 50
      save_only_model: true
"""

from __future__ import annotations

from collections.abc import Iterator
from math import gcd

from recipe_engine.lint.facts import first_given
from recipe_engine.lint.report import replace_value
from recipe_engine.lint.rollout import micro_batches, nearest_multiple
from recipe_engine.lint.rule import Context, Finding


def check(context: Context) -> Iterator[Finding]:
    if context.algorithm.sampling != "groups":
        return
    if context.argument("save_strategy") != "steps" or context.argument("save_only_model"):
        return
    if context.argument("per_device_train_batch_size") < 1:  # L361
        return
    every, accumulation = context.argument("save_steps"), context.argument("gradient_accumulation_steps")
    in_round = micro_batches(context)
    if not in_round or every < 1 or every != int(every):  # below 1: a share of steps that are not known yet
        return
    length = in_round * context.argument("num_iterations")
    if int(every) * accumulation % length == 0:
        return
    whole = nearest_multiple(length // gcd(accumulation, length), int(every))
    path = first_given(
        context,
        ("training", "save_steps"),
        ("training", "steps_per_generation"),
        ("training", "generation_batch_size"),
        ("training", "num_iterations"),
    )
    yield Finding(
        path,
        f"save_steps {int(every)} x gradient_accumulation_steps {accumulation} is no multiple of the {length} "
        "micro-batches of a round of sampling: training resumed from there goes another way",
        hint=f"write save_steps: {whole}",
        fix=replace_value(context.document, path, str(whole)) if path[-1] == "save_steps" else None,
    )
