"""L380 prompts-not-divisible (error)

``prompts_per_update`` and ``prompts_per_rollout`` count prompts over all processes; each has ``num_generations``
completions. An update must be a whole number of micro-batches (``per_device_train_batch_size`` completions on each
process), and a rollout a whole number of updates.

Where the number of GPUs is not known (``--num-gpus``) and some number would do, this is a note.

Fails:
    # with --num-gpus 4
    training:
      algorithm: grpo
      num_generations: 8
      prompts_per_update: 33
      per_device_train_batch_size: 8
Fails:
    training:
      algorithm: grpo
      num_generations: 8
      prompts_per_rollout: 100
      prompts_per_update: 64
      per_device_train_batch_size: 8
Passes:
    # with --num-gpus 8
    training:
      algorithm: grpo
      num_generations: 8
      prompts_per_rollout: 512
      prompts_per_update: 128
      per_device_train_batch_size: 8
"""

from __future__ import annotations

from collections.abc import Iterator
from math import gcd

from recipe_engine.lint.facts import first_given
from recipe_engine.lint.rollout import USUAL_PROCESSES, gpus_named, nearest_multiple, processes_named
from recipe_engine.lint.rule import Context, Finding


def check(context: Context) -> Iterator[Finding]:
    batch = context.argument("per_device_train_batch_size")
    given = context.recipe.argument("gradient_accumulation_steps", 1)
    if not context.algorithm.sizes(context.recipe, 1) or batch < 1 or given < 1:  # L361
        return
    rollout, update = context.argument("prompts_per_rollout"), context.argument("prompts_per_update")
    if rollout and update and rollout % update:
        yield Finding(
            ("training", "prompts_per_rollout"),
            f"prompts_per_rollout {rollout} is not a multiple of prompts_per_update {update}",
            hint=f"write prompts_per_rollout: {nearest_multiple(update, rollout)}",
        )
        return
    key = "prompts_per_update" if update else "prompts_per_rollout"
    prompts, group = update or rollout, context.argument("num_generations")
    if update is None and "gradient_accumulation_steps" in context.recipe.arguments:
        batch *= given
    counts = USUAL_PROCESSES if context.processes is None else (context.processes,)
    failing = [count for count in counts if prompts * group % (batch * count)]
    if not failing:
        return
    count = failing[-1] if len(failing) < len(counts) else failing[0]
    unit = batch * count // gcd(batch * count, group)
    alternatives = [f"{key}: {nearest_multiple(unit, prompts)}"]
    fitting = [n for n in range(1, batch + 1) if batch <= 1 << 12 and prompts * group % (n * count) == 0]
    if fitting and key == "prompts_per_update":
        alternatives.append(f"per_device_train_batch_size: {fitting[-1]}")
    hint = "write " + ", or ".join(alternatives)
    message = (
        f"{key} {prompts} x num_generations {group} = {prompts * group} completions, which micro-batches of "
        f"{batch} on {processes_named(context, count)} do not divide"
    )
    path = first_given(context, ("training", key), ("training", "algorithm"))
    if len(failing) == len(counts):
        yield Finding(path, message, hint=hint)
    else:
        works = [n for n in counts if n not in failing]
        yield Finding(path, message, hint=f"start it on {gpus_named(works)}, or {hint}", severity="note")
