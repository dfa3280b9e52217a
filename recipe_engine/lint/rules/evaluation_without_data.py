"""L316 evaluation-without-data (error)

Evaluation needs rows that are not trained on: ``data.eval_datasets``, or ``data.eval_holdout`` to set some of the
training rows aside. Without them transformers raises where ``eval_strategy`` asks for evaluation, and ignores all
other settings of evaluation, which is a warning.

Fails:
    training:
      eval_strategy: epoch
Fails:
    training:
      eval_steps: 50
Fails:
    training:
      algorithm: ppo
      eval_temperature: 0
Fails:
    training:
      lr_scheduler_type: reduce_lr_on_plateau
Passes:
    data:
      eval_holdout: 0.1
    training:
      eval_strategy: steps
      eval_steps: 50
Passes:
    training:
      eval_strategy: no
"""

from __future__ import annotations

from collections.abc import Iterator

from recipe_engine.lint.facts import enumerated, has_evaluation_rows, in_use
from recipe_engine.lint.rule import Context, Finding

# prediction_loss_only and per_device_eval_batch_size are left out: templates carry them whether they evaluate or not.
SETTINGS = (
    *("eval_steps", "eval_delay", "eval_on_start", "eval_accumulation_steps", "batch_eval_metrics"),
    *("bf16_full_eval", "fp16_full_eval", "num_generations_eval", "eval_packing"),
    *("eval_temperature", "eval_top_p", "eval_top_k"),
    *("metric_for_best_model", "greater_is_better"),
)
ROWS = "give data.eval_datasets, or data.eval_holdout: 0.05 to set 5% of the training rows aside"


def check(context: Context) -> Iterator[Finding]:
    schedule = context.argument("lr_scheduler_type")
    if schedule in {"reduce_lr_on_plateau", "greedy"} and context.argument("eval_strategy") == "no":
        message = f"the schedule {schedule} follows the evaluation loss, and eval_strategy is no"
        hint = f"write eval_strategy: epoch and {ROWS}"
        yield Finding(("training", "lr_scheduler_type"), message, hint=hint)
    if has_evaluation_rows(context):
        return
    strategy = context.argument("eval_strategy")
    if strategy != "no":
        message = f"eval_strategy is {strategy}, and there are no rows to evaluate on"
        yield Finding(("training", "eval_strategy"), message, hint=f"{ROWS}; or write eval_strategy: no")
        return
    unused = in_use(context, "training", SETTINGS)
    if unused:
        yield Finding(
            ("training", unused[0]),
            f"nothing is evaluated, so nothing reads {enumerated(unused)}",
            hint=f"write eval_strategy: steps and {ROWS}; or remove what is not used",
            at_key=True,
            severity="warning",
        )
