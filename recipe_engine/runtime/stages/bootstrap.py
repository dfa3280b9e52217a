"""The paired bootstrap over prompts (Efron and Tibshirani, 1993, chapter 13: percentile intervals)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy

from recipe_engine.runtime.stages.measures import Part

_AT_ONCE = 1 << 22
"""Most drawn prompts that are held at once."""


def interval(
    base: Sequence[Part], candidate: Sequence[Part], resamples: int, confidence: float, seed: int
) -> tuple[float, float]:
    """The bounds of the candidate's measure less the base's, over prompts drawn with replacement.

    Both models' parts of a prompt are drawn together: prompts that are hard for both do not widen the interval.

    Args:
        base: numerator and denominator of each prompt; ``candidate`` has the same prompts in the same order.
        confidence: share of the resamples that the interval holds, as much being left out at either end.
    """
    parts = numpy.array([base, candidate], dtype=numpy.float64)  # (2, prompts, 2)
    prompts = parts.shape[1]
    generator = numpy.random.default_rng(seed)
    differences: list[numpy.ndarray] = []
    at_once = max(_AT_ONCE // prompts, 1)
    left = resamples
    while left > 0:
        drawn = generator.integers(0, prompts, size=(min(at_once, left), prompts))
        sums = parts[:, drawn, :].sum(axis=2)  # (2, resamples, 2)
        with numpy.errstate(invalid="ignore", divide="ignore"):
            values = sums[..., 0] / sums[..., 1]
        differences.append(values[1] - values[0])
        left -= at_once
    everything = numpy.concatenate(differences)
    tail = (1 - confidence) / 2
    low, high = numpy.nanquantile(everything, [tail, 1 - tail])
    return float(low), float(high)


def ratio(parts: Sequence[Part]) -> float:
    """The ratio of the sums."""
    return sum(one for one, _ in parts) / sum(other for _, other in parts)
