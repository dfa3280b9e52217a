"""L330 prompt-longer-than-row (error)

``max_length`` bounds the prompt and the completion together. A prompt that may fill it leaves no token to train on or
to generate.

Fails:
    data:
      max_length: 512
      max_prompt_length: 512
Passes:
    data:
      max_length: 512
      max_prompt_length: 256
"""

from __future__ import annotations

from collections.abc import Iterator

from recipe_engine.lint.rule import Context, Finding


def check(context: Context) -> Iterator[Finding]:
    data = context.recipe.data
    if data.max_prompt_length is None or data.max_prompt_length < data.max_length:
        return
    whose = "" if context.given("data", "max_length") else ", its default"
    yield Finding(
        ("data", "max_prompt_length"),
        f"max_prompt_length is {data.max_prompt_length} and max_length {data.max_length}{whose}: no room is left for a "
        "response",
        hint=f"write max_prompt_length: {data.max_length // 2}, or max_length: {2 * data.max_prompt_length}",
    )
