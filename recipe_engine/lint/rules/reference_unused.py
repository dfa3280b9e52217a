"""L335 reference-unused (warning)

Settings of a reference model, and there is none that they could act on. GRPO and GSPO load none with ``beta: 0``;
with LoRA the reference is the model without its adapters, which cannot be updated; precomputed log-probabilities are
those of a reference that stays as it is. TRL stops at ``sync_ref_model`` in all three cases, which is therefore an
error, and ignores the others without a word.

Fails:
    training:
      algorithm: grpo
      beta: 0.0
      sync_ref_model: true
Fails:
    training:
      algorithm: dpo
      ref_model_sync_steps: 64
Passes:
    training:
      algorithm: grpo
      beta: 0.04
      sync_ref_model: true
      ref_model_sync_steps: 64
"""

from __future__ import annotations

from collections.abc import Iterator

from recipe_engine.lint.facts import in_use
from recipe_engine.lint.rule import Context, Finding


def check(context: Context) -> Iterator[Finding]:
    if not context.algorithm.takes("sync_ref_model"):
        return
    no_penalty = context.algorithm.sampling == "groups" and context.argument("beta") == 0
    if context.argument("sync_ref_model"):
        reason = _why_not_updated(context, no_penalty)
        if reason is not None:
            hint = "write a beta above 0" if no_penalty else "remove sync_ref_model"
            message = f"sync_ref_model has no reference model to update: {reason}"
            yield Finding(("training", "sync_ref_model"), message, hint=hint, severity="error")
    else:
        for name in in_use(context, "training", ["ref_model_sync_steps", "ref_model_mixup_alpha"]):
            message = f"{name} has no effect without sync_ref_model: true"
            yield Finding(("training", name), message, hint="remove it", at_key=True)
    if no_penalty:
        for name in in_use(context, "training", ["use_bias_correction_kl"]):
            message = f"{name} has no effect: beta is 0, so there is no KL penalty"
            yield Finding(("training", name), message, hint="remove it, or write a beta above 0", at_key=True)


def _why_not_updated(context: Context, no_penalty: bool) -> str | None:
    if no_penalty:
        return "beta is 0, so none is loaded"
    if context.recipe.model.use_lora:
        return "with use_lora it is the model without its adapters"
    if context.algorithm.takes("precompute_ref_log_probs") and context.argument("precompute_ref_log_probs"):
        return "precompute_ref_log_probs takes it to stay as it is"
    return None
