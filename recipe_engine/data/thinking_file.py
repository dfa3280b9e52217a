"""The ``thinking`` block that a model was trained with, saved beside its weights."""

from __future__ import annotations

import json
from pathlib import Path

from pydantic import ValidationError

from recipe_engine.data.thinking import marks
from recipe_engine.recipe.thinking import ThinkingBlock

FILE = "thinking.json"


def write_thinking(folder: Path, thinking: ThinkingBlock) -> None:
    """Save a block beside a model."""
    (folder / FILE).write_text(json.dumps(thinking.model_dump(), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def read_thinking(folder: str) -> ThinkingBlock | None:
    """The block beside a model in a local folder; none where there is none, or another program's file of that name."""
    try:
        return ThinkingBlock.model_validate_json(Path(folder, FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError, ValidationError):
        return None


def difference(known: ThinkingBlock, thinking: ThinkingBlock | None) -> str | None:
    """How the tags of a recipe differ from those that its model was trained with, in words; none where they do not."""
    if thinking is None:
        return f"the model was trained with {_listed(known)}, and the recipe has no thinking block"
    if marks(thinking) == marks(known) and (thinking.answer_open is None) == (known.answer_open is None):
        return None
    return f"the model was trained with {_listed(known)}, and the recipe says {_listed(thinking)}"


def _listed(thinking: ThinkingBlock) -> str:
    return f"the tags {' '.join(marks(thinking))}"
