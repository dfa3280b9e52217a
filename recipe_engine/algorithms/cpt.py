"""Continued pre-training: next-token cross-entropy on plain text, packed to full sequences."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from recipe_engine.algorithms.base import Algorithm
from recipe_engine.recipe.base import Block


class CptSettings(Block):
    """Settings of continued pre-training."""

    learning_rate: Annotated[float, Field(gt=0)] = 2e-5
    """Peak learning rate of AdamW."""
    packing: bool = True
    """Fill sequences of ``data.max_length`` tokens with several texts."""
    packing_strategy: Literal["bfd", "bfd_split", "wrapped"] = "bfd_split"
    """``bfd_split``: texts longer than a sequence are split, none sees another; ``wrapped``: one stream cut at every
    ``max_length``, texts see each other; ``bfd``: texts are kept whole, and ``data.overlong_rows`` says what happens to
    longer ones."""


ALGORITHM = Algorithm(
    name="cpt",
    summary="continued pre-training on plain text",
    settings=CptSettings,
    config="SFTConfig",
    trainer="trl:SFTTrainer",
    shapes=("text",),
    learning_rates=(1e-7, 1e-3),
)
