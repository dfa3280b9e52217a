"""The type that training computes in, of the three keys that may say it."""

from __future__ import annotations

from typing import Literal

from recipe_engine.recipe.root import Recipe

Precision = Literal["bf16", "fp16"]


def precision_of(recipe: Recipe) -> Precision | None:
    """The 16-bit type, or none for float32. ``launch.mixed_precision`` stands for ``training.bf16`` and ``fp16``.

    TRL turns bf16 on unless one of them is given.
    """
    named = recipe.launch.mixed_precision
    if named is not None:
        return None if named == "no" else named
    if recipe.argument("fp16"):
        return "fp16"
    return None if recipe.argument("bf16") is False else "bf16"
