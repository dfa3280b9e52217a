"""L344 reward-outside-folder (error)

Training runs the file of a ``function`` reward. It must belong to the recipe: a Python file in the recipe's folder or
below it, also where links are followed, so that whoever reads the folder has seen all the code that a run executes.

Fails:
    training:
      algorithm: grpo
    rewards:
      - type: function
        path: ../shared/rewards.py
        name: brevity
Fails:
    training:
      algorithm: grpo
    rewards:
      - type: function
        path: /opt/rewards.py
        name: brevity
Passes:
    # beside: rewards.py def brevity(completions, **columns): return [1 / (1 + len(one)) for one in completions]
    training:
      algorithm: grpo
    rewards:
      - type: function
        path: rewards.py
        name: brevity
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from recipe_engine.lint.report import shown
from recipe_engine.lint.rule import Context, Finding
from recipe_engine.recipe.rewards import FunctionReward


def check(context: Context) -> Iterator[Finding]:
    for index, reward in enumerate(context.recipe.rewards):
        if isinstance(reward, FunctionReward) and (wrong := wrong_path(context.folder, reward.path)):
            message, hint = wrong
            yield Finding(("rewards", index, "path"), f"{shown(reward.path)} {message}", hint=hint)


def wrong_path(folder: str, path: str) -> tuple[str, str] | None:
    """What is wrong with a path, and what to write, without asking whether the file is there."""
    if "\0" in path:
        return "cannot be the name of a file", "name a Python file in the recipe's folder"
    if os.path.isabs(path):
        return "is an absolute path", "copy the file beside the recipe, and name it relative to the recipe"
    if not path.endswith(".py"):
        return "is not a Python file", "name a file that ends in .py"
    if not Path(os.path.realpath(os.path.join(folder, path))).is_relative_to(os.path.realpath(folder)):
        how = "leads out of the recipe's folder" if ".." in Path(path).parts else "is a link out of the recipe's folder"
        return how, "copy the file beside the recipe"
    return None
