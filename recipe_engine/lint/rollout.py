"""How reinforcement learning cuts its sampling into batches, as TRL's GRPOConfig works it out."""

from __future__ import annotations

from math import gcd

from recipe_engine.lint.facts import enumerated
from recipe_engine.lint.rule import Context

USUAL_PROCESSES = (1, 2, 4, 8)


def micro_batches(context: Context) -> int | None:
    """Micro-batches that one round of sampling is cut into; none where that depends on the number of processes."""
    completions: int | None = context.argument("generation_batch_size")
    steps: int | None = context.argument("steps_per_generation") or context.argument("gradient_accumulation_steps")
    if completions is None:
        return steps
    if context.processes is None:
        return None
    micro_batch: int = context.argument("per_device_train_batch_size") * context.processes
    return completions // micro_batch


def processes_needed(per_process: int, group: int) -> int:
    """The number whose multiples are the numbers of processes with which ``group`` divides the whole batch."""
    return group // gcd(per_process, group)


def nearest_multiple(of: int, to: int) -> int:
    """The positive multiple of ``of`` that is nearest to ``to``, of two the larger."""
    below = to // of * of
    above = below + of
    return below if below > 0 and to - below < above - to else above


def nearest_divisors(of: int, to: int) -> list[int]:
    """The divisors of ``of``, 2 or more, next below and next above ``to``."""
    divisors = [n for n in range(2, of + 1) if of % n == 0] if of <= 1 << 16 else []
    below = [n for n in divisors if n < to]
    above = [n for n in divisors if n > to]
    return below[-1:] + above[:1]


def processes_named(context: Context, count: int) -> str:
    """``1 GPU``, ``4 GPUs``, ``2 CPU processes``."""
    word = "CPU process" if context.gpus == 0 else "GPU"
    return f"{count} {word}{'' if count == 1 else 'es' if word.endswith('s') else 's'}"


def gpus_named(counts: list[int]) -> str:
    """``1 GPU``, ``1, 2 or 4 GPUs``."""
    return f"{enumerated([str(count) for count in counts], 'or')} GPU{'' if counts == [1] else 's'}"
