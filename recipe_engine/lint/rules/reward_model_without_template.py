"""L399 reward-model-without-template (error)

A ``reward_model`` reads the conversation as its own chat template renders it, the one that it was trained with. The
tokenizer in this folder has none. Only models in local folders are looked at; others are when training starts.

Fails:
    # beside: tokenizer_config.json {}
    training:
      algorithm: grpo
    rewards:
      - type: reward_model
        model: .
Passes:
    training:
      algorithm: grpo
    rewards:
      - type: reward_model
        model: builtin/tiny-reward
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from recipe_engine.data.location import locate
from recipe_engine.lint.rule import Context, Finding
from recipe_engine.recipe.rewards import RewardModelReward

_TEMPLATE_FILES = ("chat_template.jinja", "chat_template.json")


def check(context: Context) -> Iterator[Finding]:
    for index, reward in enumerate(context.recipe.rewards):
        if not isinstance(reward, RewardModelReward):
            continue
        location = locate(reward.model)
        if location.kind == "local" and _lacks_template(Path(location.value)):
            message = f"the tokenizer in {reward.model} has no chat template"
            hint = "put the template that it was trained with there, as chat_template.jinja"
            yield Finding(("rewards", index, "model"), message, hint=hint)


def _lacks_template(folder: Path) -> bool:
    """Whether a folder holds a tokenizer without a template."""
    try:
        settings = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False  # no tokenizer at all is reported when training starts
    return not settings.get("chat_template") and not any((folder / name).is_file() for name in _TEMPLATE_FILES)
