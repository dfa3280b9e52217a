"""L394 distillation-settings-clash (error)

Settings of a distillation of which one takes the ground from under another. The cross-entropy of ``sft_coef`` is on
completions of the data, which ``lmbda: 1`` never takes. With ``lmbda: 0`` nothing is sampled, so what shapes samples
has no effect (a warning). A teacher's share in every sampled token (``teacher_mixed_alpha``) needs both models at each
token, which vLLM and continuous batching do not give. Rows of prompts alone have no completions to train on.

Fails:
    training:
      algorithm: gkd
      lmbda: 1.0
      sft_coef: 0.5
Fails:
    training:
      algorithm: gkd
      lmbda: 0.0
      temperature: 0.7
Fails:
    training:
      algorithm: minillm
      use_vllm: true
Fails:
    data:
      datasets:
        - name: my/prompts
          format: prompt
    training:
      algorithm: gkd
      lmbda: 0.5
Passes:
    training:
      algorithm: gkd
      lmbda: 0.5
      sft_coef: 0.5
      temperature: 0.7
Passes:
    training:
      algorithm: minillm
      teacher_mixed_alpha: 0.0
      use_vllm: true
"""

from __future__ import annotations

from collections.abc import Iterator

from recipe_engine.lint.facts import in_use
from recipe_engine.lint.rows import entries, made_by_templates
from recipe_engine.lint.rule import Context, Finding

OF_SAMPLES = ("temperature", "top_p", "top_k", "min_p", "repetition_penalty", "generation_kwargs", "use_vllm")


def check(context: Context) -> Iterator[Finding]:
    own = context.algorithm.own_settings
    if "lmbda" in own:
        yield from _check_share(context, context.argument("lmbda"))
    if "teacher_mixed_alpha" in own and context.argument("teacher_mixed_alpha"):
        for name in in_use(context, "training", ("use_vllm", "use_transformers_continuous_batching")):
            message = f"{name} cannot mix the teacher in token by token, which teacher_mixed_alpha above 0 asks for"
            yield Finding(("training", name), message, hint="remove it, or write teacher_mixed_alpha: 0.0", at_key=True)
    if ("lmbda" in own and context.argument("lmbda") < 1) or ("pt_coef" in own and context.argument("pt_coef")):
        yield from _check_completions(context)


def _check_share(context: Context, share: float) -> Iterator[Finding]:
    if share == 1 and context.argument("sft_coef"):
        message = "sft_coef has no effect: with lmbda 1 no completion of the data is trained on"
        yield Finding(("training", "sft_coef"), message, hint="remove it, or write lmbda: 0.5", at_key=True)
    if share == 0:
        for name in in_use(context, "training", OF_SAMPLES):
            message = f"{name} has no effect: with lmbda 0 nothing is sampled"
            hint = "remove it, or write a lmbda above 0"
            yield Finding(("training", name), message, hint=hint, at_key=True, severity="warning")


def _check_completions(context: Context) -> Iterator[Finding]:
    if made_by_templates(context):
        return
    for path, entry in entries(context):
        if entry.format in {"prompt", "messages"}:
            name = "lmbda: 1.0" if "lmbda" in context.algorithm.own_settings else "pt_coef: 0.0"
            yield Finding(
                (*path, "format"),
                f"rows of format {entry.format} are prompts alone here, and their completions are trained on",
                hint=f"use rows with a prompt and a completion (prompt_completion, alpaca), or write {name}",
            )
