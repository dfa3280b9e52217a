"""L381 sizes-named-twice (error)

``prompts_per_update`` gives the size of an optimizer step, and so does ``gradient_accumulation_steps``;
``prompts_per_rollout`` gives the size of a round of sampling, and so do ``steps_per_generation`` and
``generation_batch_size``. Sizes in prompts hold for any number of GPUs.

Fails:
    training:
      algorithm: grpo
      prompts_per_update: 64
      gradient_accumulation_steps: 4
Fails:
    training:
      algorithm: grpo
      prompts_per_rollout: 64
      steps_per_generation: 4
Passes:
    training:
      algorithm: grpo
      prompts_per_rollout: 64
      prompts_per_update: 16
"""

from __future__ import annotations

from collections.abc import Iterator

from recipe_engine.lint.facts import in_use
from recipe_engine.lint.rule import Context, Finding

SAME = {
    "prompts_per_update": ("gradient_accumulation_steps",),
    "prompts_per_rollout": ("steps_per_generation", "generation_batch_size"),
}


def check(context: Context) -> Iterator[Finding]:
    if not context.algorithm.sizes(context.recipe, 1):
        return
    for prompts, others in SAME.items():
        if context.argument(prompts) is None:
            continue
        for other in in_use(context, "training", others):
            message = f"{other} and {prompts} set the same size twice"
            hint = f"keep {prompts}: it holds for any number of GPUs"
            yield Finding(("training", other), message, hint=hint, at_key=True)
    if context.argument("prompts_per_rollout") is None:
        for other in in_use(context, "training", SAME["prompts_per_rollout"]):
            message = f"{other} counts micro-batches or completions, and prompts_per_update prompts"
            yield Finding(("training", other), message, hint="write prompts_per_rollout instead", at_key=True)
