"""L332 generation-batch-not-divisible (error)

A round of sampling must hold whole groups: ``num_generations`` completions of each prompt. A round is
``per_device_train_batch_size`` x processes x ``steps_per_generation`` completions (by default
``gradient_accumulation_steps``), or ``generation_batch_size``, which must also be whole micro-batches. An evaluation
batch must hold whole groups too. TRL raises an error otherwise, once the model is chosen and the processes have
started.

Where the number of GPUs is not known (``--num-gpus``) and some number would do, this is a note.

Fails:
    training:
      algorithm: grpo
      per_device_train_batch_size: 4
      gradient_accumulation_steps: 4
      num_generations: 3
Fails:
    # with --num-gpus 1
    training:
      algorithm: grpo
      per_device_train_batch_size: 1
      gradient_accumulation_steps: 16
      steps_per_generation: 4
      num_generations: 8
Fails:
    training:
      algorithm: grpo
      per_device_train_batch_size: 8
      generation_batch_size: 12
      num_generations: 4
Passes:
    training:
      algorithm: grpo
      per_device_train_batch_size: 4
      gradient_accumulation_steps: 4
      num_generations: 8
Passes:
    # with --num-gpus 2
    training:
      algorithm: grpo
      per_device_train_batch_size: 1
      gradient_accumulation_steps: 16
      steps_per_generation: 4
      num_generations: 8
Passes:
    training:
      algorithm: grpo
      per_device_train_batch_size: 1
      generation_batch_size: 64
      num_generations: 8
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import gcd, lcm

from recipe_engine.lint.facts import first_given
from recipe_engine.lint.rollout import (
    USUAL_PROCESSES,
    gpus_named,
    nearest_divisors,
    nearest_multiple,
    processes_named,
    processes_needed,
)
from recipe_engine.lint.rule import Context, Finding
from recipe_engine.source import Path


def check(context: Context) -> Iterator[Finding]:
    if context.algorithm.sampling != "groups":
        return
    completions, steps = context.argument("generation_batch_size"), context.argument("steps_per_generation")
    if context.argument("per_device_train_batch_size") < 1:  # L361
        return
    if context.algorithm.sizes(context.recipe, 1):  # sizes in prompts: L380
        pass
    elif completions is None:
        yield from _check_training(context)
    elif steps is None:  # both given: L333
        yield from _check_given_size(context, completions)
    if context.argument("eval_strategy") != "no":
        yield from _check_evaluation(context)


def _check_training(context: Context) -> Iterator[Finding]:
    batch, group = context.argument("per_device_train_batch_size"), context.argument("num_generations")
    key = "steps_per_generation" if context.argument("steps_per_generation") else "gradient_accumulation_steps"
    steps = context.argument(key)
    needed = processes_needed(batch * steps, group)
    # Where the number of processes is open, what is right on one is right on any.
    count = context.processes or 1
    completions = batch * steps * count
    alternatives = [f"num_generations: {n}" for n in nearest_divisors(completions, group)]
    alternatives += [
        f"{key}: {nearest_multiple(group // gcd(batch * count, group), steps)}",
        f"per_device_train_batch_size: {nearest_multiple(group // gcd(steps * count, group), batch)}",
    ]
    path = first_given(
        context,
        ("training", "num_generations"),
        ("training", key),
        ("training", "per_device_train_batch_size"),
        ("training", "algorithm"),
    )
    sum_of = f"per_device_train_batch_size {batch} x {key} {steps}"
    yield from _verdict(
        context,
        path,
        lambda n: (
            f"{processes_named(context, n)} x {sum_of} = {batch * steps * n} completions a round, which groups of "
            f"num_generations {group} do not divide"
        ),
        needed,
        "write " + ", or ".join(alternatives),
    )


def _check_given_size(context: Context, completions: int) -> Iterator[Finding]:
    batch, group = context.argument("per_device_train_batch_size"), context.argument("num_generations")
    count = context.processes or 1
    hint = f"write generation_batch_size: {nearest_multiple(lcm(batch * count, group), completions)}"
    path: Path = ("training", "generation_batch_size")
    if completions % group:
        message = f"generation_batch_size {completions} is not divisible by num_generations {group}"
        yield Finding(path, message, hint=hint)
        return
    works = [n for n in _counts(context) if completions % (batch * n) == 0]
    if len(works) == len(_counts(context)):
        return
    message = f"generation_batch_size {completions} is not a multiple of per_device_train_batch_size {batch} x "
    if not works:
        names = processes_named(context, context.processes) if context.processes else "any usual number of GPUs"
        yield Finding(path, message + names, hint=hint)
    else:
        bad = [n for n in USUAL_PROCESSES if n not in works]
        note = f"start it on {gpus_named(works)}, or choose a multiple of {lcm(batch * max(bad), group)}"
        yield Finding(path, f"{message}{gpus_named(bad)}", hint=note, severity="note")


def _check_evaluation(context: Context) -> Iterator[Finding]:
    batch = context.argument("per_device_eval_batch_size")
    group = context.argument("num_generations_eval") or context.argument("num_generations")
    count = context.processes or 1
    alternatives = [f"per_device_eval_batch_size: {nearest_multiple(group // gcd(count, group), batch)}"]
    alternatives += [f"num_generations_eval: {n}" for n in nearest_divisors(batch * count, group)]
    path = first_given(
        context,
        ("training", "num_generations_eval"),
        ("training", "per_device_eval_batch_size"),
        ("training", "eval_strategy"),
    )
    yield from _verdict(
        context,
        path,
        lambda n: (
            f"{processes_named(context, n)} x per_device_eval_batch_size {batch} = {batch * n} completions an "
            f"evaluation batch, which groups of {group} do not divide"
        ),
        processes_needed(batch, group),
        "write " + ", or ".join(alternatives),
    )


def _verdict(context: Context, path: Path, message: Callable[[int], str], needed: int, hint: str) -> Iterator[Finding]:
    """A finding for a batch that is whole only where the number of processes is a multiple of ``needed``."""
    failing = [n for n in _counts(context) if n % needed]
    if not failing:
        return
    if len(failing) == len(_counts(context)):
        more = "" if context.processes else f"; only multiples of {needed} GPUs would do (name them: --num-gpus)"
        yield Finding(path, message(failing[0]), hint=hint + more)
    else:
        works = [n for n in USUAL_PROCESSES if n not in failing]
        note = f"start it on {gpus_named(works)}, or {hint}"
        yield Finding(path, message(failing[-1]), hint=note, severity="note")


def _counts(context: Context) -> tuple[int, ...]:
    return USUAL_PROCESSES if context.processes is None else (context.processes,)
