"""Keys that a run was given by the environment stay out of what it prints."""

from __future__ import annotations

import os

from recipe_engine.compiled import CompiledRun

MASK = "***"


def masked(text: str, run: CompiledRun) -> str:
    """A text without the keys of the run's services: they may be answered back, or stand in an error of user code."""
    for reward in run.rewards:
        key = os.environ.get(getattr(reward, "api_key_env", None) or "", "").strip()
        text = text.replace(key, MASK) if key else text
    return text
