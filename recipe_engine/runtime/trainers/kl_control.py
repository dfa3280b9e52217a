"""The weight of the KL penalty in the reward: fixed, or steered towards a target."""

from __future__ import annotations

from dataclasses import dataclass

MOST = 0.2
"""An error of the KL counts at most this much, up or down."""


@dataclass
class KlControl:
    """Ziegler et al. (arXiv 1909.08593), section 2.2: ``e = clip(KL / target - 1, -0.2, 0.2)``, ``beta *= 1 + K e``.

    Here ``K`` is completions / horizon, as in the authors' code and in verl: an error is corrected as fast however many
    completions a round has.
    """

    coefficient: float
    target: float | None = None
    """The KL to aim at; none: the coefficient is fixed."""
    horizon: int = 10_000

    def update(self, kl: float, completions: int) -> None:
        """Correct the coefficient after a round whose mean KL was ``kl``."""
        if self.target is None:
            return
        error = min(max(kl / self.target - 1, -MOST), MOST)
        self.coefficient *= 1 + error * completions / self.horizon
