"""L337 loss-type-and-ratio-level (error)

Not every loss suits every importance ratio. LUSPO weights whole sequences, so it needs the ratio of the sequence; TRL
only logs that it does not have it. Losses that sum over tokens (dapo, dr_grpo, bnpo, cispo) weight each sequence by
its length when the ratio is the sequence's, which is not what the GSPO paper (arXiv 2507.18071) optimizes: a warning.
VESPO works out sequence weights of its own, whatever the level: a warning.

Fails:
    training:
      algorithm: grpo
      loss_type: luspo
Fails:
    training:
      algorithm: gspo
      loss_type: dapo
Passes:
    training:
      algorithm: grpo
      loss_type: luspo
      importance_sampling_level: sequence
Passes:
    training:
      algorithm: gspo
      loss_type: grpo
"""

from __future__ import annotations

from collections.abc import Iterator

from recipe_engine.lint.facts import first_given
from recipe_engine.lint.rule import Context, Finding

SUMS_TOKENS = frozenset({"bnpo", "dr_grpo", "dapo", "cispo"})


def check(context: Context) -> Iterator[Finding]:
    if context.algorithm.sampling != "groups":
        return
    loss, level = context.argument("loss_type"), context.argument("importance_sampling_level")
    path = first_given(
        context, ("training", "loss_type"), ("training", "importance_sampling_level"), ("training", "algorithm")
    )
    if loss == "luspo" and level != "sequence":
        yield Finding(
            path,
            f"loss_type luspo needs the importance ratio of the sequence; importance_sampling_level is {level}",
            hint="write importance_sampling_level: sequence",
        )
    elif loss == "vespo" and level != "token":
        yield Finding(
            path,
            f"loss_type vespo works out its own sequence weights; importance_sampling_level {level} does not change it",
            hint="write algorithm: grpo with importance_sampling_level: token",
            severity="warning",
        )
    elif loss in SUMS_TOKENS and level == "sequence":
        yield Finding(
            path,
            f"loss_type {loss} with the importance ratio of the sequence weights each completion by its length",
            hint="write loss_type: grpo",
            severity="warning",
        )
