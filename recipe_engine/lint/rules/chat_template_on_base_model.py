"""L355 chat-template-on-base-model (warning)

By its name the model is pretrained only, and the rows are conversations. Such a tokenizer has no chat template, and
then training stops; or it has one whose tokens the model never learned, and whose end of turn is not the token it
stops at.

Fails:
    model:
      base_model_name: meta-llama/Llama-3.2-3B
    data:
      datasets:
        - name: my/chats
          format: messages
Passes:
    model:
      base_model_name: meta-llama/Llama-3.2-3B-Instruct
    data:
      datasets:
        - name: my/chats
          format: messages
Passes:
    model:
      base_model_name: Qwen/Qwen2.5-7B
      chat_template: chatml
      eos_token: <|im_end|>
    data:
      datasets:
        - name: my/chats
          format: messages
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from recipe_engine.lint.rows import are_chat
from recipe_engine.lint.rule import Context, Finding

# Whole names: models derived from these, such as DeepSeek-R1-Distill-Llama-8B, are taught to chat and called at will.
# Qwen3 is not among them: its plain names are chat models, and its pretrained ones end in -Base.
PRETRAINED = re.compile(
    r".+-base(?:-\d{4})?"
    r"|gemma-.+-pt"
    r"|(?:meta-)?llama-[\d.]+-\d+b(?:-\d+e)?(?:-hf)?"
    r"|(?:mistral-7b|mixtral-8x\d+b)-v[\d.]+"
    r"|qwen(?:1\.5|2|2\.5)-[\d.]+b"
    r"|gemma-(?:2-)?\d+b",
    re.IGNORECASE,
)


def check(context: Context) -> Iterator[Finding]:
    model = context.recipe.model
    name = model.base_model_name.rstrip("/").rpartition("/")[2]
    if model.chat_template or model.tokenizer_name or not PRETRAINED.fullmatch(name) or not are_chat(context):
        return
    yield Finding(
        ("model", "base_model_name"),
        f"{name} looks like a pretrained model, which knows no chat template, and the rows are conversations",
        hint="name its instruction-tuned version, or write chat_template: chatml with the eos_token that ends a turn",
    )
