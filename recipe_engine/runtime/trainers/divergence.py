"""The divergence of the policy from the reference model: estimates of each token, and their average in a loss."""

from __future__ import annotations

from typing import assert_never

from torch import Tensor

from recipe_engine.algorithms.rollout import KlType


def divergence(kind: KlType, policy: Tensor, reference: Tensor) -> Tensor:
    """Estimate of KL(policy || reference) from the log-probabilities of each sampled token.

    The estimators are those of J. Schulman, "Approximating KL divergence" (2020), k1 to k3, and the absolute value
    that verl calls ``abs``.
    """
    ratio = policy - reference
    match kind:
        case "k1":
            return ratio
        case "k2":
            return ratio.square() / 2
        case "k3":
            return (-ratio).exp() + ratio - 1
        case "abs":
            return ratio.abs()
        case _:
            assert_never(kind)
