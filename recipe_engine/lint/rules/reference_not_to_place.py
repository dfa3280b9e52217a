"""L372 reference-not-to-place (error)

``ref_offload`` keeps DPO's reference model in host memory while it is not used. There must be one: with ``use_lora``
the reference is the policy without its adapters, unless ``ref_model_name`` names another, and
``precompute_ref_log_probs`` needs none in training. The engine moves whole weights, which it cannot do where DeepSpeed
or FSDP hold them, where they are quantized, or where ``sync_ref_model`` changes them. ``precompute_ref_log_probs``
saves the same memory everywhere, at the price of one pass over the data before training.

``ref_model_revision`` belongs to ``ref_model_name``.

Fails:
    model:
      use_lora: true
    training:
      algorithm: dpo
      ref_offload: true
Fails:
    training:
      algorithm: dpo
      ref_offload: true
      precompute_ref_log_probs: true
Fails:
    training:
      algorithm: dpo
      ref_model_revision: main
Passes:
    training:
      algorithm: dpo
      ref_offload: true
Passes:
    model:
      use_lora: true
    training:
      algorithm: dpo
      ref_model_name: builtin/tiny-chat
      ref_offload: true
"""

from __future__ import annotations

from collections.abc import Iterator

from recipe_engine.lint.rule import Context, Finding
from recipe_engine.lint.strategy import holds_weights_itself


def check(context: Context) -> Iterator[Finding]:
    if "ref_offload" not in type(context.recipe.settings).model_fields:
        return
    if context.argument("ref_offload") and (reason := _why_not(context)) is not None:
        yield Finding(("training", "ref_offload"), f"ref_offload: {reason[0]}", hint=reason[1])
    if context.argument("ref_model_revision") is not None and context.argument("ref_model_name") is None:
        message = "ref_model_revision is of ref_model_name, which is not given"
        hint = "write model.revision for the model that training starts from"
        yield Finding(("training", "ref_model_revision"), message, hint=hint, at_key=True)


def _why_not(context: Context) -> tuple[str, str] | None:
    model, instead = context.recipe.model, "write precompute_ref_log_probs: true in its place"
    if context.argument("precompute_ref_log_probs"):
        return "precompute_ref_log_probs keeps no reference model that could be offloaded", "remove it"
    if model.use_lora and context.argument("ref_model_name") is None:
        return "with use_lora the reference is the policy without its adapters", "remove it"
    if holds_weights_itself(context):
        return "DeepSpeed and FSDP hold the weights themselves", instead
    if model.load_in_4bit or model.load_in_8bit:
        return "quantized weights cannot be moved one by one", instead
    if context.argument("sync_ref_model"):
        return "sync_ref_model changes the weights on the GPU alone", "remove one of the two"
    return None
