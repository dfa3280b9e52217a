"""L346 loss-weights-mismatch (error)

``loss_weights`` has one number for each loss of ``loss_type``. A weight for a single loss only scales the gradient,
which Adam takes out again: it looks like a setting and is none.

Fails:
    training:
      algorithm: dpo
      loss_type: [sigmoid, sft]
      loss_weights: [1.0]
Fails:
    training:
      algorithm: dpo
      loss_type: sigmoid
      loss_weights: [0.5]
Passes:
    training:
      algorithm: dpo
      loss_type: [sigmoid, sft]
      loss_weights: [1.0, 0.2]
"""

from __future__ import annotations

from collections.abc import Iterator

from recipe_engine.lint.facts import enumerated
from recipe_engine.lint.rule import Context, Finding


def check(context: Context) -> Iterator[Finding]:
    if not context.algorithm.takes("loss_weights") or (weights := context.argument("loss_weights")) is None:
        return
    given = context.argument("loss_type")
    losses = [given] if isinstance(given, str) else given
    path = ("training", "loss_weights")
    if len(weights) != len(losses):
        yield Finding(
            path,
            f"{_counted(weights, 'weight')} for {_counted(losses, 'loss', 'losses')}, {enumerated(losses)}",
            hint=f"write {_counted(losses, 'number')}, such as loss_weights: [{', '.join(['1.0'] * len(losses))}]",
        )
    elif len(losses) == 1:
        message = f"a weight for the only loss, {losses[0]}, changes nothing"
        yield Finding(path, message, hint="remove it; set learning_rate or beta instead")


def _counted(items: list[str] | list[float], one: str, many: str | None = None) -> str:
    return f"{len(items)} {one if len(items) == 1 else many or f'{one}s'}"
