"""L365 thinking-unused (error)

The algorithm trains on rows in which there are no responses, so there is no thought to tell from an answer: continued
pre-training reads plain text.

Fails:
    data:
      datasets:
        - name: my/corpus
          format: text
    training:
      algorithm: cpt
    thinking:
      open: <think>
Passes:
    training:
      algorithm: sft
    data:
      datasets:
        - name: builtin/thoughts
    thinking:
      open: <think>
Passes:
    training:
      algorithm: kto
    data:
      datasets:
        - name: builtin/unpaired
    thinking:
      open: <think>
Passes:
    training:
      algorithm: reward_model
    thinking:
      open: <think>
"""

from __future__ import annotations

from collections.abc import Iterator

from recipe_engine.lint.rule import Context, Finding

WITH_RESPONSES = frozenset({"messages", "prompt_completion", "preference", "preference_margin", "unpaired", "prompt"})
"""Shapes of rows that hold responses, or for which responses are sampled."""


def check(context: Context) -> Iterator[Finding]:
    if context.recipe.thinking is not None and not WITH_RESPONSES & set(context.algorithm.shapes):
        name = context.algorithm.name
        message = f"{name} has no responses that a thought could stand in, so the thinking block would do nothing"
        yield Finding(("thinking",), message, hint="remove the block", at_key=True)
