"""The algorithms, one file each. A new one is a file beside these and a line in ``NAMES``."""

from __future__ import annotations

from functools import cache
from importlib import import_module

from recipe_engine.algorithms.base import Algorithm

NAMES = (
    "sft",
    "cpt",
    "dpo",
    "orpo",
    "simpo",
    "cpo",
    "kto",
    "reward_model",
    "process_reward",
    "distill",
    "gkd",
    "minillm",
    "online_dpo",
    "grpo",
    "dr_grpo",
    "dapo",
    "gspo",
    "cispo",
    "rloo",
    "reinforce_plus_plus",
    "reinforce_plus_plus_baseline",
    "remax",
    "opo",
    "gpg",
    "ppo",
    "prime",
)


@cache
def algorithm(name: str) -> Algorithm:
    """The algorithm of that name, imported only now, since a recipe needs one of them.

    Raises:
        KeyError: there is no such algorithm.
    """
    if name not in NAMES:
        raise KeyError(name)
    found: Algorithm = import_module(f"{__name__}.{name}").ALGORITHM
    return found
