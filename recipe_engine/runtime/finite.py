"""A loss that is not a number ends the run in the step in which it comes, before a weight is changed by it."""

from __future__ import annotations

import math
from typing import Any

from recipe_engine.runtime.errors import RunError

_HINT = (
    "lower training.learning_rate or max_grad_norm, or write bf16 in place of fp16, and start again: "
    "it goes on from its newest checkpoint"
)


def demand_finite_loss(trainer: Any) -> None:
    """Have a trainer raise ``RunError`` for a loss that is NaN or infinite, instead of training on it.

    It is looked at as it is computed: DeepSpeed changes the weights within the backward pass. A model of such weights
    may fail before, where it is sampled from.
    """
    compute, step = trainer.compute_loss, trainer.training_step

    def checked(*arguments: Any, **keywords: Any) -> Any:
        found = compute(*arguments, **keywords)
        loss = float((found[0] if isinstance(found, tuple) else found).detach())
        if trainer.model.training and not math.isfinite(loss):
            raise RunError(f"the loss is {loss} in {_step(trainer)}; no weight was changed by it", _HINT)
        return found

    def sampled(*arguments: Any, **keywords: Any) -> Any:
        try:
            return step(*arguments, **keywords)
        except RuntimeError as error:
            if "probability tensor contains" not in str(error):
                raise
            raise RunError(f"the model gives no probabilities to sample from in {_step(trainer)}", _HINT) from error

    trainer.compute_loss, trainer.training_step = checked, sampled


def _step(trainer: Any) -> str:
    return f"step {trainer.state.global_step + 1}"
