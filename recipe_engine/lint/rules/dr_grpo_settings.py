"""L336 dr-grpo-settings (warning)

Dr. GRPO (arXiv 2503.20783) removes two biases: averaging over each completion's own length, which ``loss_type:
dr_grpo`` does, and dividing advantages by the group's standard deviation, which favours prompts that are nearly
always or nearly never solved, and which only ``scale_rewards: none`` does. The paper trains without a KL penalty.

Fails:
    training:
      algorithm: grpo
      loss_type: dr_grpo
Fails:
    training:
      algorithm: grpo
      loss_type: dr_grpo
      scale_rewards: none
      beta: 0.04
Passes:
    training:
      algorithm: grpo
      loss_type: dr_grpo
      scale_rewards: none
"""

from __future__ import annotations

from collections.abc import Iterator

from recipe_engine.lint.facts import first_given
from recipe_engine.lint.report import replace_value, shown
from recipe_engine.lint.rule import Context, Finding


def check(context: Context) -> Iterator[Finding]:
    if context.algorithm.sampling != "groups" or context.argument("loss_type") != "dr_grpo":
        return
    scale, beta = context.argument("scale_rewards"), context.argument("beta")
    if scale is not False and scale != "none":
        path = first_given(context, ("training", "scale_rewards"), ("training", "loss_type"))
        yield Finding(
            path,
            f"loss_type dr_grpo with scale_rewards {shown(scale)}: Dr. GRPO does not divide by the standard deviation",
            hint="write scale_rewards: none",
            fix=replace_value(context.document, path, "none") if path[-1] == "scale_rewards" else None,
        )
    if beta > 0:
        message = f"loss_type dr_grpo with beta {beta:g}: Dr. GRPO has no KL penalty"
        yield Finding(("training", "beta"), message, hint="write beta: 0, or call it another loss_type")
