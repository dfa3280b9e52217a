"""L308 attention-named-twice (error)

``use_flash_attention`` asks for FlashAttention where it can be had; ``attn_implementation`` names an implementation
that is never replaced. One of them has to give way, and a recipe says which.

Fails:
    model:
      use_flash_attention: true
      attn_implementation: sdpa
Passes:
    model:
      use_flash_attention: true
Passes:
    model:
      use_flash_attention: false
      attn_implementation: sdpa
Passes:
    model:
      use_flash_attention: true
      attn_implementation: flash_attention_2
"""

from __future__ import annotations

from collections.abc import Iterator

from recipe_engine.lint.rule import Context, Finding


def check(context: Context) -> Iterator[Finding]:
    model = context.recipe.model
    named = model.attn_implementation
    # Kernels from the Hub have names such as kernels-community/flash-attn2.
    if model.use_flash_attention and named is not None and "flash" not in named:
        yield Finding(
            ("model", "attn_implementation"),
            f"attn_implementation names {named}, while use_flash_attention asks for FlashAttention",
            hint=f"remove attn_implementation, or write use_flash_attention: false to have {named}",
        )
