"""Dr. GRPO (arXiv 2503.20783): GRPO without its biases to long wrong answers and to very easy or hard prompts."""

from __future__ import annotations

from typing import Literal

from recipe_engine.algorithms.grpo import GrpoSettings, group_algorithm


class DrGrpoSettings(GrpoSettings):
    """Settings of Dr. GRPO: GRPO's, with the two divisions left out."""

    scale_rewards: Literal["none", False] = "none"
    """Advantages are not divided by the standard deviation."""
    loss_type: Literal["dr_grpo"] = "dr_grpo"
    """Token losses are divided by ``max_completion_length``, not by the length of their completion."""


ALGORITHM = group_algorithm("dr_grpo", "GRPO without the normalisations that bias it", DrGrpoSettings)
