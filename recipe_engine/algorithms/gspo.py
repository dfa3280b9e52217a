"""Group Sequence Policy Optimization (arXiv 2507.18071): GRPO with importance ratios and clipping by sequence."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from recipe_engine.algorithms.grpo import GrpoSettings, LossType, group_algorithm


class GspoSettings(GrpoSettings):
    """Settings of group sequence policy optimization: GRPO's, with the paper's defaults (section 5.1)."""

    epsilon: Annotated[float, Field(gt=0)] = 3e-4
    """Clip range of the sequence ratio below 1. Sequence ratios stay close to 1, so it is small."""
    epsilon_high: Annotated[float, Field(gt=0)] | None = 4e-4
    """Clip range of the sequence ratio above 1."""
    importance_sampling_level: Literal["sequence"] = "sequence"
    """GSPO is the sequence level; a token level is ``algorithm: grpo``."""
    loss_type: LossType = "grpo"
    """How token losses are averaged. ``grpo``: within each sequence first, which is the paper's objective."""


ALGORITHM = group_algorithm("gspo", "group sequence policy optimization on rewards", GspoSettings)
