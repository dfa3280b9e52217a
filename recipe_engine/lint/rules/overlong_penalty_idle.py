"""L410 overlong-penalty-idle (error)

``overlong_penalty`` falls from 0 at ``max_resp_len - buffer`` tokens. No completion is longer than
``training.max_completion_length``, so where that is not above the start, the penalty is 0 for all of them. A ``buffer``
above ``max_resp_len`` would punish every completion.

Fails:
    training:
      algorithm: grpo
      max_completion_length: 128
    rewards:
      - type: overlong_penalty
        max_resp_len: 256
        buffer: 64
Fails:
    training:
      algorithm: grpo
    rewards:
      - type: overlong_penalty
        max_resp_len: 128
        buffer: 256
Passes:
    training:
      algorithm: grpo
      max_completion_length: 256
    rewards:
      - type: overlong_penalty
        max_resp_len: 256
        buffer: 64
"""

from __future__ import annotations

from collections.abc import Iterator

from recipe_engine.lint.rule import Context, Finding
from recipe_engine.recipe.rewards import OverlongReward


def check(context: Context) -> Iterator[Finding]:
    for index, reward in enumerate(context.recipe.rewards):
        if not isinstance(reward, OverlongReward):
            continue
        given = context.recipe.argument("max_completion_length")
        longest = reward.max_resp_len or given
        if longest is None or reward.buffer is None:
            continue
        start = longest - reward.buffer
        if start < 0:
            message = f"buffer is {reward.buffer}, and max_resp_len {longest}: every completion would be punished"
            yield Finding(("rewards", index, "buffer"), message, hint=f"write a buffer of at most {longest}")
        elif given is not None and given <= start:
            message = f"the penalty begins after {start} tokens, and max_completion_length is {given}: it is always 0"
            hint = f"write max_resp_len: {given}, or leave it out"
            yield Finding(("rewards", index, "max_resp_len"), message, hint=hint)
