"""L321 learning-rate-unusual (warning)

A learning rate far too high makes a model forget what it knew, one far too low teaches it nothing, and a lost digit
in an exponent does either. The ranges for AdamW are wide: for all weights 1e-7 to 1e-3 in sft and cpt, 1e-8 to 1e-5
in dpo and simpo, 1e-8 to 1e-4 in cpo, grpo and gspo, 1e-7 to 1e-4 in orpo; for adapters 1e-6 to 5e-3 everywhere. Other
optimizers are not judged.

Fails:
    training:
      learning_rate: 0.02
Fails:
    training:
      algorithm: dpo
      learning_rate: 2e-4
Fails:
    model:
      use_lora: true
    training:
      learning_rate: 1e-8
Passes:
    training:
      learning_rate: 2e-5
Passes:
    model:
      use_lora: true
    training:
      algorithm: dpo
      learning_rate: 2e-4
Passes:
    training:
      learning_rate: 0.02
      optim: sgd
"""

from __future__ import annotations

from collections.abc import Iterator

from recipe_engine.lint.facts import short
from recipe_engine.lint.rule import Context, Finding

ADAPTER_RATES = (1e-6, 5e-3)


def check(context: Context) -> Iterator[Finding]:
    rate: float = context.argument("learning_rate")
    lora = context.recipe.model.use_lora
    low, high = ADAPTER_RATES if lora else context.algorithm.learning_rates
    adamw = context.argument("optim").removeprefix("paged_").startswith("adamw")
    if not adamw or low <= rate <= high:
        return
    what = "LoRA" if lora else f"training all weights with {context.algorithm.name}"
    yield Finding(
        ("training", "learning_rate"),
        f"learning_rate is {short(rate)}, {'below' if rate < low else 'above'} the usual range for {what}",
        hint=f"the usual range is {short(low)} to {short(high)}",
    )
