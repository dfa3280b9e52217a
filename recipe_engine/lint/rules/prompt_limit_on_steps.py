"""L377 prompt-limit-on-steps (error)

The rows of process_reward are whole solutions, prompt and steps in one text: only ``data.max_length`` limits them.

Fails:
    data:
      datasets:
        - name: builtin/step-labels
      max_prompt_length: 64
    training:
      algorithm: process_reward
      placeholder_token: "#"
Passes:
    data:
      datasets:
        - name: builtin/step-labels
      max_length: 256
    training:
      algorithm: process_reward
      placeholder_token: "#"
"""

from __future__ import annotations

from collections.abc import Iterator

from recipe_engine.lint.rule import Context, Finding


def check(context: Context) -> Iterator[Finding]:
    if "stepwise" in context.algorithm.shapes and context.recipe.data.max_prompt_length is not None:
        message = f"{context.algorithm.name} has no limit of its own for prompts"
        yield Finding(("data", "max_prompt_length"), message, hint="remove it", at_key=True)
