"""The published contract, as data: JSON Schemas for editors, and the arguments of every TRL config by version."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Any, TypedDict

TRL_VERSION = "1.16.0"


class Argument(TypedDict):
    """One argument of a TRL config: the JSON Schema of its values, its default, and what TRL says of it."""

    schema: dict[str, Any]
    default: Any
    description: str


@cache
def _catalogue() -> dict[str, dict[str, Argument]]:
    text = files(__package__).joinpath("trl", f"{TRL_VERSION}.json").read_text(encoding="utf-8")
    configs: dict[str, dict[str, Argument]] = json.loads(text)["configs"]
    return configs


@cache
def trl_arguments(config: str) -> dict[str, Argument]:
    """Every argument of a TRL config such as ``"DPOConfig"``, those it inherits from transformers included."""
    configs = _catalogue()
    return {**configs["TrainingArguments"], **configs[config]}
