"""L333 two-generation-sizes (error)

``generation_batch_size`` counts the completions of a round of sampling, ``steps_per_generation`` the micro-batches
that it is cut into. Each follows from the other, and TRL refuses to be given both.

Fails:
    training:
      algorithm: grpo
      generation_batch_size: 64
      steps_per_generation: 8
Passes:
    training:
      algorithm: grpo
      steps_per_generation: 8
"""

from __future__ import annotations

from collections.abc import Iterator

from recipe_engine.lint.rule import Context, Finding


def check(context: Context) -> Iterator[Finding]:
    if context.algorithm.sampling != "groups":
        return
    if context.argument("generation_batch_size") is not None and context.argument("steps_per_generation") is not None:
        yield Finding(
            ("training", "generation_batch_size"),
            "generation_batch_size and steps_per_generation set the same size twice",
            hint="keep steps_per_generation: it holds for any number of GPUs",
            at_key=True,
        )
