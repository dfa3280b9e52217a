"""L368 thinking-tags-differ (warning)

A model that was trained with a thinking block has it beside its weights, in thinking.json. The recipe that goes on from
this model has other tags, which the model would have to learn anew; or it has no thinking block, so that rewards would
score the thoughts together with the answers.

Fails:
    # beside: thinking.json {"open": "<think>", "close": "</think>"}
    model:
      base_model_name: .
    thinking:
      open: <plan>
      close: </plan>
Fails:
    # beside: thinking.json {"open": "<think>", "close": "</think>"}
    model:
      base_model_name: .
Passes:
    # beside: thinking.json {"open": "<think>", "close": "</think>"}
    model:
      base_model_name: .
    thinking:
      open: <think>
      close: </think>
"""

from __future__ import annotations

import os
from collections.abc import Iterator

from recipe_engine.data.thinking_file import FILE, difference, read_thinking
from recipe_engine.lint.rule import Context, Finding


def check(context: Context) -> Iterator[Finding]:
    thinking = context.recipe.thinking
    known = read_thinking(os.path.expanduser(context.recipe.model.base_model_name))
    message = difference(known, thinking) if known is not None else None
    if message is not None:
        place = ("model", "base_model_name") if thinking is None else ("thinking",)
        hint = f"copy the tags from the {FILE} beside the model into the thinking block"
        yield Finding(place, message, hint=hint, at_key=thinking is not None)
