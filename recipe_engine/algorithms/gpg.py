"""Group Policy Gradient (arXiv 2504.02546): the plain policy gradient with a group baseline; no ratio, no clip."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from recipe_engine.algorithms.grpo import GrpoSettings, group_algorithm


class GpgSettings(GrpoSettings):
    """Settings of GPG."""

    advantage_estimator: Literal["gpg"] = "gpg"
    """The reward less the group's mean, scaled up for completions that cannot contribute."""
    num_generations: Annotated[int, Field(ge=2)] = 8
    """Completions sampled for each prompt: the size of a group."""
    importance_sampling: Literal[False] = False
    """GPG has no importance ratio."""


ALGORITHM = group_algorithm("gpg", "the plain policy gradient with a group baseline, on rewards", GpgSettings)
