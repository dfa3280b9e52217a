"""L345 label-smoothing-unread (error)

In TRL ``label_smoothing`` is read by the losses robust, exo_pair, aot and aot_unpaired alone; under ``sigmoid`` it
once made cDPO, and now does nothing without a word. exo_pair stops without it, since it takes the logarithm of it;
robust without it is plain sigmoid, which is a warning.

cDPO (label smoothing e) is exactly 2(1-e) x sigmoid - (1-2e) x robust.

Fails:
    training:
      algorithm: dpo
      label_smoothing: 0.1
Fails:
    training:
      algorithm: dpo
      loss_type: exo_pair
Passes:
    training:
      algorithm: dpo
      label_smoothing: 0.1
      loss_type: [sigmoid, robust]
      loss_weights: [1.8, -0.8]
Passes:
    training:
      algorithm: dpo
      loss_type: exo_pair
      label_smoothing: 0.001
"""

from __future__ import annotations

from collections.abc import Iterator

from recipe_engine.lint.facts import enumerated
from recipe_engine.lint.rule import Context, Finding

READERS = frozenset({"robust", "exo_pair", "aot", "aot_unpaired"})


def check(context: Context) -> Iterator[Finding]:
    if context.algorithm.name != "dpo":
        return
    given, smoothing = context.argument("loss_type"), context.argument("label_smoothing")
    losses = [given] if isinstance(given, str) else given
    if smoothing > 0 and READERS.isdisjoint(losses):
        yield Finding(
            ("training", "label_smoothing"),
            f"the loss {enumerated(losses)} does not read label_smoothing",
            hint=_instead(losses, smoothing),
        )
    elif smoothing == 0 and "exo_pair" in losses:
        yield Finding(
            ("training", "loss_type"),
            "the loss exo_pair needs a label_smoothing above 0",
            hint="write label_smoothing: 0.001, as the EXO paper (arXiv 2402.00856) does",
        )
    elif smoothing == 0 and "robust" in losses:
        yield Finding(
            ("training", "loss_type"),
            "the loss robust without label_smoothing is the loss sigmoid",
            hint="write the share of preferences that are wrong, such as label_smoothing: 0.1",
            severity="warning",
        )


def _instead(losses: list[str], smoothing: float) -> str:
    if losses != ["sigmoid"]:
        return "remove it, or write loss_type: robust"
    weights = f"[{2 * (1 - smoothing):.10g}, {2 * smoothing - 1:.10g}]"
    return f"for cDPO write loss_type: [sigmoid, robust] and loss_weights: {weights}; for robust DPO loss_type: robust"
