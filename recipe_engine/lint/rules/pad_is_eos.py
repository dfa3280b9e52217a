"""L359 pad-is-eos (warning)

Padding and the end of a turn are the same token. Here padding is masked by its position, so this run is right; but
the saved tokenizer carries the choice on, and whatever masks padding by its id then masks the end of every answer, so
that a model trained on does not learn to stop.

Fails:
    model:
      eos_token: <|im_end|>
      pad_token: <|im_end|>
Passes:
    model:
      eos_token: <|im_end|>
      pad_token: <|endoftext|>
"""

from __future__ import annotations

from collections.abc import Iterator

from recipe_engine.lint.rule import Context, Finding


def check(context: Context) -> Iterator[Finding]:
    model = context.recipe.model
    if model.pad_token is not None and model.pad_token == model.eos_token:
        yield Finding(
            ("model", "pad_token"),
            "pad_token is the eos_token: tools that mask padding by its id will mask the end of every answer",
            hint="name a token that no text contains, such as <|endoftext|> or <|finetune_right_pad_id|>",
        )
