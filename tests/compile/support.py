"""Recipes as text, checked and compiled as the command line does it."""

from __future__ import annotations

from pathlib import Path

from recipe_engine.compile import Compilation, Options, compile_recipe
from recipe_engine.compiled import CompiledRun
from recipe_engine.lint import check

SFT = """\
model:
  base_model_name: builtin/tiny-chat
data:
  datasets:
    - name: builtin/conversations
training:
  algorithm: sft
"""
GRPO = """\
model:
  base_model_name: builtin/tiny-chat
data:
  datasets:
    - name: builtin/questions
  max_length: 64
rewards:
  - type: exact_match
training:
  algorithm: grpo
"""


def compilation(text: str, *overrides: str, options: Options | None = None, file: str = "recipe.yaml") -> Compilation:
    """The recipe ``text``, compiled. It is written to ``file`` in the current folder."""
    Path(file).parent.mkdir(parents=True, exist_ok=True)
    Path(file).write_text(text, encoding="utf-8")
    options = options or Options()
    checked = check(file, overrides, options.gpus)
    assert checked.recipe is not None, checked.diagnostics
    assert checked.document is not None
    return compile_recipe(checked.recipe, checked.document, options)


def compiled(text: str, *overrides: str, options: Options | None = None, file: str = "recipe.yaml") -> CompiledRun:
    """The run that ``text`` compiles to."""
    return compilation(text, *overrides, options=options, file=file).run
