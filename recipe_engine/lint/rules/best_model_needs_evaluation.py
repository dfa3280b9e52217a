"""L318 best-model-needs-evaluation (error)

The best checkpoint is known only where each checkpoint was evaluated. So transformers demands, for
``load_best_model_at_end``, that evaluation and saving follow the same strategy and that ``save_steps`` is a multiple
of ``eval_steps``; and for ``save_strategy: best`` a ``metric_for_best_model``. Under DeepSpeed and FSDP the best
checkpoint cannot be loaded back from one that holds the model alone.

Fails:
    data:
      eval_holdout: 0.1
    training:
      load_best_model_at_end: true
      eval_strategy: epoch
      save_strategy: steps
Fails:
    data:
      eval_holdout: 0.1
    training:
      load_best_model_at_end: true
      eval_strategy: steps
      eval_steps: 200
      save_steps: 500
Fails:
    data:
      eval_holdout: 0.1
    training:
      save_strategy: best
      eval_strategy: epoch
Fails:
    training:
      save_strategy: best
      metric_for_best_model: loss
Passes:
    data:
      eval_holdout: 0.1
    training:
      load_best_model_at_end: true
      eval_strategy: steps
      eval_steps: 100
      save_steps: 500
Passes:
    data:
      eval_holdout: 0.1
    training:
      save_strategy: best
      eval_strategy: epoch
      metric_for_best_model: loss
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from recipe_engine.lint.facts import first_given, short
from recipe_engine.lint.rule import Context, Finding
from recipe_engine.lint.strategy import holds_weights_itself

BEST = ("training", "load_best_model_at_end")


def check(context: Context) -> Iterator[Finding]:
    load_best = context.argument("load_best_model_at_end")
    evaluates, saves = context.argument("eval_strategy"), context.argument("save_strategy")
    if saves == "best":
        yield from _save_best(context, evaluates)
    elif load_best and evaluates != saves:
        other = f"save_strategy: {evaluates}" if saves == "no" else f"eval_strategy: {saves}"
        yield Finding(
            BEST,
            f"the best checkpoint is not known: eval_strategy is {evaluates}, and save_strategy is {saves}",
            hint=f"write {other}, so that each checkpoint is evaluated",
        )
    elif load_best and evaluates == "steps":
        yield from _aligned(context)
    if load_best and context.argument("save_only_model"):
        holder = holds_weights_itself(context)
        if holder is not None:
            message = f"{holder} cannot load back a checkpoint of the model alone"
            yield Finding(BEST, message, hint="write save_only_model: false, or load_best_model_at_end: false")


def _save_best(context: Context, evaluates: str) -> Iterator[Finding]:
    path = ("training", "save_strategy")
    if evaluates == "no":
        message = "save_strategy is best, and eval_strategy is no: no checkpoint would ever be saved"
        yield Finding(path, message, hint="write eval_strategy: epoch, or save_strategy: epoch")
    # These two make transformers take the loss by itself.
    implied = context.argument("load_best_model_at_end") or context.argument("lr_scheduler_type") in {
        "reduce_lr_on_plateau",
        "greedy",
    }
    if context.argument("metric_for_best_model") is None and not implied:
        message = "save_strategy is best, and no metric_for_best_model says what is better"
        yield Finding(path, message, hint="add metric_for_best_model: loss")


def _aligned(context: Context) -> Iterator[Finding]:
    every = context.argument("eval_steps") or context.argument("logging_steps")
    saved = context.argument("save_steps")
    if every <= 0 or saved <= 0:
        return
    path = first_given(context, ("training", "save_steps"), ("training", "eval_steps"), BEST)
    if (every < 1) != (saved < 1):
        message = f"save_steps is {short(saved)} and eval_steps is {short(every)}: one is a share, the other a number"
        yield Finding(path, message, hint="write both as numbers of steps")
    elif (saved * 1_000_000) % (every * 1_000_000) != 0:
        near = {math.floor(saved / every) * every, math.ceil(saved / every) * every} - {0}
        choices = " or ".join(short(steps) for steps in sorted(near))
        message = f"save_steps is {short(saved)}, and no multiple of eval_steps, {short(every)}"
        yield Finding(path, message, hint=f"write save_steps: {choices}")
