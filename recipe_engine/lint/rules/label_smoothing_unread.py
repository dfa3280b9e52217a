"""L345 label-smoothing-unread (error)

A label_smoothing that no loss reads. Under dpo ``sigmoid`` reads it, which makes conservative DPO (cDPO), and so do
robust, exo_pair, aot and aot_unpaired; hinge, ipo and the others do not, nor does hinge under simpo and cpo. TRL alone
would drop it without a word, under sigmoid too: the engine compiles sigmoid with label_smoothing e to
2(1-e) x sigmoid - (1-2e) x robust, which is (1-e) L(D) + e L(-D) exactly, and the plan says so.

exo_pair stops without label_smoothing, since it takes the logarithm of it; robust without it is plain sigmoid, and a
sigmoid beside a loss that reads label_smoothing is left as it is: both are warnings, but for the pair of sigmoid and
robust with weights that make cDPO by hand.

Fails:
    training:
      algorithm: dpo
      loss_type: hinge
      label_smoothing: 0.1
Fails:
    training:
      algorithm: simpo
      loss_type: hinge
      label_smoothing: 0.1
Fails:
    training:
      algorithm: dpo
      loss_type: exo_pair
Fails:
    training:
      algorithm: dpo
      loss_type: [sigmoid, aot]
      label_smoothing: 0.1
Passes:
    training:
      algorithm: dpo
      label_smoothing: 0.1
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

from recipe_engine.algorithms.dpo import READS_LABEL_SMOOTHING
from recipe_engine.lint.facts import enumerated
from recipe_engine.lint.rule import Context, Finding


def check(context: Context) -> Iterator[Finding]:
    if not {"loss_type", "label_smoothing"} <= type(context.recipe.settings).model_fields.keys():
        return
    given, smoothing = context.argument("loss_type"), context.argument("label_smoothing")
    losses = [given] if isinstance(given, str) else given
    read = READS_LABEL_SMOOTHING.intersection(losses)
    if smoothing > 0 and not read and "sigmoid" not in losses:
        others = " or robust" if context.algorithm.name == "dpo" else ""
        yield Finding(
            ("training", "label_smoothing"),
            f"the loss {enumerated(losses)} does not read label_smoothing",
            hint=f"remove it, or write loss_type: sigmoid{others}",
        )
    elif smoothing > 0 and "sigmoid" in losses and read and not _by_hand(context, losses):
        yield Finding(
            ("training", "loss_type"),
            f"sigmoid is left without label_smoothing beside {enumerated(sorted(read))}, which reads it",
            hint="write one of them alone: with label_smoothing sigmoid is conservative DPO",
            severity="warning",
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


def _by_hand(context: Context, losses: list[str]) -> bool:
    """Whether the losses are cDPO written out: sigmoid, and robust with a weight below 0."""
    weights = context.argument("loss_weights") or []
    return sorted(losses) == ["robust", "sigmoid"] and any(weight < 0 for weight in weights)
