"""L349 template-roles (error)

The templates must make rows that the algorithm can train on. SFT takes ``user_prompt`` and ``assistant_prompt``
together, the prompt and the completion, or ``system_prompt`` alone as the whole text. DPO, GRPO and GSPO have their
responses from the data or from the model, so they take no ``assistant_prompt``. CPT trains on one text, which
``system_prompt`` makes.

Fails:
    data:
      user_prompt: "{question}"
    training:
      algorithm: sft
Fails:
    data:
      assistant_prompt: "{chosen}"
    training:
      algorithm: dpo
Passes:
    data:
      user_prompt: "{question}"
      assistant_prompt: "{answer}"
    training:
      algorithm: sft
Passes:
    data:
      user_prompt: "{question}"
    training:
      algorithm: grpo
"""

from __future__ import annotations

from collections.abc import Iterator

from recipe_engine.lint.rule import Context, Finding


def check(context: Context) -> Iterator[Finding]:
    data, algorithm = context.recipe.data, context.algorithm
    if algorithm.shapes == ("text",):
        for key in ("user_prompt", "assistant_prompt"):
            if getattr(data, key):
                message = f"{algorithm.name} trains on plain text, which has no {key.partition('_')[0]}"
                yield Finding(("data", key), message, hint="write the text as system_prompt", at_key=True)
    elif "prompt_completion" not in algorithm.shapes:
        if data.assistant_prompt:
            source = "from the model" if algorithm.sampling != "none" else "from chosen_column and rejected_column"
            message = f"{algorithm.name} has its responses {source}: assistant_prompt is not used"
            yield Finding(("data", "assistant_prompt"), message, hint="remove it", at_key=True)
    elif data.assistant_prompt and not data.user_prompt:
        hint = 'write the prompt as user_prompt, such as user_prompt: "{prompt}"'
        yield Finding(("data", "assistant_prompt"), "assistant_prompt without user_prompt", hint=hint, at_key=True)
    elif data.user_prompt and not data.assistant_prompt and "prompt" not in algorithm.shapes:
        hint = 'write the response as assistant_prompt, such as assistant_prompt: "{completion}"'
        yield Finding(("data", "user_prompt"), "user_prompt without assistant_prompt", hint=hint, at_key=True)
