"""L366 template-drops-thoughts (error)

Some chat templates leave out what stands before </think>. That of DeepSeek-R1 and its distilled models does so even in
the last turn, so that no thought would be trained. Those of Qwen3, QwQ and GLM-4.5 do so in earlier turns: in rows of
messages, all of whose assistant turns are trained, the earlier ones then teach to answer without a thought (a warning).
A template in a file or in the folder of a local model is tried out on a conversation, where jinja2 is installed (it
comes with the train extra); of models on the Hub the well-known ones are known by name. Training tries the template of
every model before it starts.

Fails:
    model:
      base_model_name: deepseek-ai/DeepSeek-R1-Distill-Qwen-7B
    data:
      datasets:
        - name: my/thoughts
          format: thought_response
    thinking:
      open: <think>
Fails:
    model:
      base_model_name: Qwen/Qwen3-8B
    data:
      datasets:
        - name: my/chats
          format: messages
    thinking:
      open: <think>
Passes:
    model:
      base_model_name: Qwen/Qwen3-8B
    data:
      datasets:
        - name: my/thoughts
          format: thought_response
    thinking:
      open: <think>
"""

from __future__ import annotations

import os
from collections.abc import Iterator

from recipe_engine.data.thought_templates import Survival, known_survival, renderer, survival, template_of
from recipe_engine.lint.rows import are_plain_text, entries, template_file
from recipe_engine.lint.rule import Context, Finding
from recipe_engine.recipe.thinking import ThinkingBlock

TURNS = frozenset({"messages", "sharegpt"})
"""Formats whose rows may hold several turns of the assistant, all of them trained."""
HINT = "name a template that keeps it: model.chat_template: chatml, or a file"


def check(context: Context) -> Iterator[Finding]:
    thinking, model = context.recipe.thinking, context.recipe.model
    if thinking is None or context.algorithm.sampling != "none" or are_plain_text(context):
        return
    survives, place = _survival(context, thinking)
    if survives == "none":
        message = "this chat template leaves the thought out of the assistant's turn, so none would be trained"
        yield Finding(("model", place), message, hint=HINT)
    elif survives == "last" and "messages" in context.algorithm.shapes:
        for path, entry in entries(context):
            if entry.format in TURNS:
                yield Finding(
                    (*path, "format"),
                    f"the chat template of {os.path.basename(model.base_model_name)} leaves the thoughts of earlier"
                    " turns out, and those turns are trained too",
                    hint="use rows of one prompt and one completion, such as thought_response, or another template",
                    severity="warning",
                )


def _survival(context: Context, thinking: ThinkingBlock) -> tuple[Survival | None, str]:
    """Which thoughts the template keeps, where that can be told without a download, and the key that names it."""
    model = context.recipe.model
    if model.chat_template is not None:
        return _measured(thinking, template_file(context)), "chat_template"
    if "messages" in context.algorithm.shapes and context.argument("assistant_only_loss"):
        return None, ""  # training replaces the template by one that marks the assistant's tokens
    place = "tokenizer_name" if model.tokenizer_name is not None else "base_model_name"
    name = model.tokenizer_name or model.base_model_name
    folder = os.path.expanduser(name)
    if os.path.isdir(folder):
        return _measured(thinking, template_of(folder)), place
    return known_survival(name), place


def _measured(thinking: ThinkingBlock, source: str | None) -> Survival | None:
    template = renderer(source) if source is not None else None
    if template is None:
        return None
    try:
        return survival(thinking, template)
    except ValueError:  # training says so, in words of its own
        return None
