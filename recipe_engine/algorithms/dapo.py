"""DAPO (arXiv 2503.14476): GRPO with a wider upper clip, the mean over tokens, and only groups that have spread."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from recipe_engine.algorithms.grpo import GrpoSettings, group_algorithm


class DapoSettings(GrpoSettings):
    """Settings of DAPO: GRPO's, as section 4.1 of the paper sets them."""

    epsilon_high: Annotated[float, Field(gt=0)] | None = 0.28
    """Clip range above 1: clip-higher."""
    loss_type: Literal["dapo"] = "dapo"
    """Every token of the batch weighs alike."""
    dynamic_sampling: bool = True
    """Draw other prompts in place of those whose completions were all given the same reward, until every group of the
    round has spread."""


ALGORITHM = group_algorithm("dapo", "decoupled clip and dynamic sampling policy optimization on rewards", DapoSettings)
