"""L331 completion-does-not-fit (error)

The longest prompt and the longest completion together may be longer than ``data.max_length``, the most tokens that a
row may have. Without ``data.max_prompt_length`` a prompt gets what the completion leaves, which must be something.

Fails:
    data:
      max_length: 1024
      max_prompt_length: 512
    training:
      algorithm: grpo
      max_completion_length: 1024
Passes:
    data:
      max_length: 1536
      max_prompt_length: 512
    training:
      algorithm: grpo
      max_completion_length: 1024
"""

from __future__ import annotations

from collections.abc import Iterator

from recipe_engine.algorithms.grpo import prompt_limit_of
from recipe_engine.lint.rule import Context, Finding


def check(context: Context) -> Iterator[Finding]:
    if context.algorithm.sampling == "none":
        return
    completion = context.recipe.argument("max_completion_length")
    whole, prompt = context.recipe.data.max_length, prompt_limit_of(context.recipe.data, completion)
    if completion is None or prompt >= whole or prompt + completion <= whole:  # the second is L330
        return
    yield Finding(
        ("training", "max_completion_length"),
        f"a prompt of {prompt} tokens and a completion of {completion} do not fit into data.max_length, {whole}",
        hint=f"write data.max_length: {prompt + completion}, or max_completion_length: {whole - prompt}"
        + (f", or data.max_prompt_length: {whole - completion}" if completion < whole else ""),
    )
