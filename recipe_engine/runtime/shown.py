"""What a trainer shows of rows and completions: texts that anybody may have written."""

from __future__ import annotations

import sys
from collections import deque
from typing import Any

from rich.markup import escape

from recipe_engine.diagnostics.visible import visible_lines

_PRINTER = "print_prompt_completions_sample"


def show_safely(trainer: Any) -> None:
    """Have TRL's table of completions show every character that would steer the terminal as an escape.

    ``log_completions`` prints it. Names are read as Rich's markup there.
    """
    for kind in type(trainer).__mro__:
        module = sys.modules[kind.__module__]
        original = getattr(module, _PRINTER, None)
        if original is not None and not hasattr(original, "shows_safely"):
            setattr(module, _PRINTER, _safe(original))


def _safe(original: Any) -> Any:
    def show(prompts: Any, completions: Any, rewards: Any, *rest: Any, **keywords: Any) -> None:
        named = {escape(visible_lines(name)): scores for name, scores in rewards.items()}
        if extra := keywords.get("extra"):
            keywords["extra"] = {escape(visible_lines(name)): _visible(values) for name, values in extra.items()}
        original(_visible(prompts), _visible(completions), named, *rest, **keywords)

    show.shows_safely = True  # type: ignore[attr-defined]
    return show


def _visible(value: Any) -> Any:
    if isinstance(value, str):
        return visible_lines(value)
    if isinstance(value, list | deque):
        return [_visible(item) for item in value]
    return {name: _visible(item) for name, item in value.items()} if isinstance(value, dict) else value
