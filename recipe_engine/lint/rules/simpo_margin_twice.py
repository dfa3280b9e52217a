"""L371 simpo-margin-twice (error)

The target margin of SimPO is written as ``gamma``, which is the paper's, or as ``gamma_beta_ratio``, gamma / beta, by
which the authors tune it. With both there, one would be ignored.

Fails:
    training:
      algorithm: simpo
      gamma: 1.0
      gamma_beta_ratio: 0.5
Passes:
    training:
      algorithm: simpo
      beta: 2.5
      gamma_beta_ratio: 0.55
Passes:
    training:
      algorithm: simpo
      gamma: 1.0
"""

from __future__ import annotations

from collections.abc import Iterator

from recipe_engine.lint.rule import Context, Finding


def check(context: Context) -> Iterator[Finding]:
    if "gamma_beta_ratio" not in context.algorithm.own_settings or context.argument("gamma") is None:
        return
    if context.given("training", "gamma_beta_ratio"):
        yield Finding(
            ("training", "gamma_beta_ratio"),
            "gamma is given too, and both are the target margin",
            hint="keep one: gamma is gamma_beta_ratio x beta",
            at_key=True,
        )
