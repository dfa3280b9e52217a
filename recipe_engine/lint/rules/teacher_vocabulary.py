"""L391 teacher-vocabulary (error)

A teacher's distribution says something to the student only if both mean the same token by the same id. Where both
tokenizers are in local folders they are compared; of the families that everyone knows, the names tell. Training
compares the vocabularies of any two models before it loads them.

Fails:
    model:
      base_model_name: Qwen/Qwen2.5-7B-Instruct
    training:
      algorithm: distill
      teacher_model: meta-llama/Llama-3.1-70B-Instruct
Fails:
    model:
      base_model_name: builtin/tiny-chat
    training:
      algorithm: gkd
      teacher_model: Qwen/Qwen3-8B
Passes:
    model:
      base_model_name: meta-llama/Llama-3.2-1B-Instruct
    training:
      algorithm: distill
      teacher_model: meta-llama/Llama-3.1-70B-Instruct
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from recipe_engine.data.location import locate
from recipe_engine.lint.rule import Context, Finding

# Models of a family have one vocabulary. Those derived from one, under names of their own, may have changed it.
FAMILIES = {
    "Llama 2": re.compile(r"llama-2-.+"),
    "Llama 3": re.compile(r"(?:meta-)?llama-3(?:\.[123])?-.+"),
    "Qwen2.5": re.compile(r"qwen2\.5-[\d.]+b.*"),
    "Qwen3": re.compile(r"qwen3-[\d.]+b.*"),
    "Gemma 2": re.compile(r"gemma-2-.+"),
    "Gemma 3": re.compile(r"gemma-3-.+"),
    "the embedded models": re.compile(r"builtin/.+"),
}
LARGEST = 64 << 20
"""Bytes: a tokenizer.json beyond this is not read here."""


def check(context: Context) -> Iterator[Finding]:
    if "teacher_model" not in context.algorithm.own_settings:
        return
    model, teacher = context.recipe.model, context.recipe.argument("teacher_model")
    student = model.tokenizer_name or model.base_model_name
    difference = _by_files(student, teacher) or _by_names(student, teacher)
    if difference is not None:
        message = f"the teacher {teacher} has another vocabulary than the student: {difference}"
        yield Finding(("training", "teacher_model"), message, hint="take a teacher and a student of one family")


def _by_names(student: str, teacher: str) -> str | None:
    families = [_family(name) for name in (student, teacher)]
    if None in families or families[0] == families[1]:
        return None
    return f"that of {families[1]}, and not that of {families[0]}"


def _family(name: str) -> str | None:
    last = name if name.startswith("builtin/") else name.rstrip("/").rpartition("/")[2]
    return next((family for family, pattern in FAMILIES.items() if pattern.fullmatch(last.lower())), None)


def _by_files(student: str, teacher: str) -> str | None:
    known = [_vocabulary(name) for name in (student, teacher)]
    if known[0] is None or known[1] is None or known[0] == known[1]:
        return None
    token = min(token for token, _ in known[0].items() ^ known[1].items())
    ids = " and ".join(str(one.get(token, "none")) for one in known if one is not None)
    return f"{len(known[1])} tokens against {len(known[0])}; {token!r}, for one, has the ids {ids}"


def _vocabulary(name: str) -> dict[str, int] | None:
    """Every token with its id, of a tokenizer in a local folder; none where it cannot be read here."""
    place = locate(name)
    file = Path(place.value, "tokenizer.json")
    try:
        if place.kind != "local" or file.stat().st_size > LARGEST:
            return None
        content: Any = json.loads(file.read_text(encoding="utf-8"))
        tokens = dict(content["model"]["vocab"])
        return tokens | {added["content"]: added["id"] for added in content.get("added_tokens") or ()}
    except (OSError, ValueError, KeyError, TypeError):
        return None
