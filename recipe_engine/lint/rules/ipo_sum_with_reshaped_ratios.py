"""L370 ipo-sum-with-reshaped-ratios (error)

``ipo_sum`` is OpenRLHF's IPO: the square of the summed log-ratios' difference less 1 / (2 beta). ``use_weighting``
(WPO), ``ld_alpha`` (LD-DPO) and another ``f_divergence_type`` reshape the log-ratios or the losses of TRL, and
``ipo_sum`` would not follow: the sum would be of two objectives.

Fails:
    training:
      algorithm: dpo
      loss_type: ipo_sum
      ld_alpha: 0.5
Passes:
    training:
      algorithm: dpo
      loss_type: [ipo_sum, sft]
      loss_weights: [1.0, 0.1]
Passes:
    training:
      algorithm: dpo
      loss_type: ipo
      ld_alpha: 0.5
"""

from __future__ import annotations

from collections.abc import Iterator

from recipe_engine.algorithms.dpo import losses_of
from recipe_engine.lint.facts import in_use
from recipe_engine.lint.rule import Context, Finding


def check(context: Context) -> Iterator[Finding]:
    if not context.algorithm.takes("use_weighting") or "ipo_sum" not in losses_of(context.recipe):
        return
    for name in in_use(context, "training", ["use_weighting", "ld_alpha", "f_divergence_type"]):
        if context.argument(name) != "reverse_kl":
            message = f"{name} does not reach the loss ipo_sum"
            yield Finding(("training", name), message, hint="remove it, or write loss_type: ipo", at_key=True)
